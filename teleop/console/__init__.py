"""The operator's console: a page in the browser, served by the session on the loopback interface."""
