"""Beyond the chapter: what the chapter does not have. Nothing in the chapter's files imports anything from here."""
