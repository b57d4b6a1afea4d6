"""Where results go: standard output, files, MQTT, Kafka, a web hook. Each is a `Sink`."""
