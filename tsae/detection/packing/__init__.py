"""What a fitted detector knows as arrays and facts, as model files hold them."""
