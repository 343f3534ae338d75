"""What the gateway tells about itself: metrics and logs, both written from the receipt."""
