"""The product's tables and sample data, for a database of our own."""

from scheduler.db.product.demo import DemoError, lay_demo
from scheduler.db.product.lay import lay_product_tables

__all__ = ["DemoError", "lay_demo", "lay_product_tables"]
