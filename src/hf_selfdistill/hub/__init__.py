"""What goes to the Hub and to other runtimes: model cards, uploads, exports."""
