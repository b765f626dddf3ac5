"""The jobs that go over the projects and their repositories."""
