"""Material for teaching a model when to obey a text; knows nothing about models."""
