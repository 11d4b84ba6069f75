"""One module per page: each draws what the other modules built, once a second.

Not called `pages`: Streamlit would run such a folder's modules by themselves, until `main.py` has run once.
"""
