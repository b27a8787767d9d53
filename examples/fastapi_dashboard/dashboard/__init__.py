"""A dashboard for a small fleet of servers: FastAPI, SQLAlchemy, and no JavaScript of its own."""
