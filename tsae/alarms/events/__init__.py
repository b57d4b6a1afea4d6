"""From labels to events, and the sensors behind them."""
