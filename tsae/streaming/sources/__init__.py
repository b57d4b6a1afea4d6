"""Where rows come from: standard input, a followed file, MQTT, Kafka. Each is a `Source`."""
