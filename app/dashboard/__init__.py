"""The dashboard (Streamlit): five pages over one board that refresh every second."""
