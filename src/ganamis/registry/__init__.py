"""The registered model: its versions, the gate between challenger and champion, the aliases."""
