"""An emulator of Binance's spot exchange: its WebSocket streams and REST calls, from a synthetic market or a recording.

>>> market = synthetic(7, "BTCUSDT")
>>> market.symbols
('BTCUSDT',)
"""

from app.exchange.market_source import MarketSource, MarketSourceError
from app.exchange.replay import replay
from app.exchange.run import run
from app.exchange.server import Exchange, serve
from app.exchange.synthetic import synthetic

__all__ = ["Exchange", "MarketSource", "MarketSourceError", "replay", "run", "serve", "synthetic"]
