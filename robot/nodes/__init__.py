"""ROS 2 nodes: thin shells of messages around the pure parts of the hub."""
