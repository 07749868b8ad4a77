// A stand-in for Wasimoff's broker and page, for labs. It is not Wasimoff.
module wiab-staging/stand-in/wasimoff

go 1.26.0

require github.com/coder/websocket v1.8.15
