"""What every long-running process has: life cycle, heartbeat, health pages, graceful server, ports."""
