"""The API under /admin, and the document that describes every endpoint. `routes` is the table that all is made from."""
