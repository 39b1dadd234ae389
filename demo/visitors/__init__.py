"""Who may give, read and leave what: sessions, what is taken in, and the addresses beside Gradio's."""
