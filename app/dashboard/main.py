"""The script Streamlit runs for every visitor: the navigation of five pages."""

from pathlib import Path

import streamlit as st

from app.dashboard.theme import STYLE
from app.dashboard.views import accuracy, feed, live, models, system

ICON = str(Path(__file__).with_name("icon.svg"))  # from the package: Streamlit would fetch others from the web

st.set_page_config(page_title="Bitcoin forecast", page_icon=ICON, layout="wide")
st.html(STYLE)
page = st.navigation(
    [
        st.Page(live.page, title="Live", icon=":material/show_chart:", url_path="live", default=True),
        st.Page(accuracy.page, title="Accuracy", icon=":material/target:", url_path="accuracy"),
        st.Page(feed.page, title="Feed", icon=":material/sensors:", url_path="feed"),
        st.Page(models.page, title="Models", icon=":material/model_training:", url_path="models"),
        st.Page(system.page, title="System", icon=":material/monitor_heart:", url_path="system"),
    ],
    position="top",
)
page.run()
