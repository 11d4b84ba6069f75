"""The dashboard (Streamlit). What enters: the board; what leaves: five pages that refresh every second."""
