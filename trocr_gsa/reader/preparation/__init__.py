"""What happens to a picture before the encoder sees it: polarity, levelling, trimming."""
