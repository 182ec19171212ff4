"""The roles of the orchestration `support-desk`, each as an honest agent that keeps to its instructions."""
