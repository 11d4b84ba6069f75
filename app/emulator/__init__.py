"""An emulator of Binance's spot exchange: its WebSocket streams and REST calls, from a synthetic market or a recording.

>>> market = synthetic(7, "BTCUSDT")
>>> market.symbols
('BTCUSDT',)
"""

from app.emulator.market_source import MarketSource, MarketSourceError
from app.emulator.replay import replay
from app.emulator.run import run
from app.emulator.server import Exchange, serve
from app.emulator.synthetic import synthetic

__all__ = ["Exchange", "MarketSource", "MarketSourceError", "replay", "run", "serve", "synthetic"]
