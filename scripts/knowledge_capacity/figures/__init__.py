"""How anything is drawn: style, labels, and the plots that experiments share."""
