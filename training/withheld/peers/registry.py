"""The peers by id. A new one is a module with its `PEER`, and a line here."""

from __future__ import annotations

from training.withheld.peers import atprk, dissever, dms, gwr, kriging, tsharp
from training.withheld.peers.peer import Peer

PEERS: dict[str, Peer] = {
    "dms": dms.PEER,
    "tsharp": tsharp.PEER,
    "gwr": gwr.PEER,
    "kriging": kriging.PEER,
    "atprk": atprk.PEER,
    "dissever": dissever.PEER,
}
