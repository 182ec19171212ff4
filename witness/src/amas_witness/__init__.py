"""A witness of transparency logs. It knows nothing of AMAS: whoever runs it need not trust what AMAS is made of."""
