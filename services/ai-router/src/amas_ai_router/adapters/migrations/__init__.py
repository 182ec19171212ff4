"""Migrations of the schema `ai_router`, run by alembic."""
