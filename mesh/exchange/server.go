package exchange

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
)

// path of the exchange; its number changes with what an offer means.
const path = "/v1/exchange"

// longest is what an offer may have: a revocation list of some ten thousand entries.
const longest = 1 << 20

// Serve answers peers until the context ends.
func (n *Node) Serve(ctx context.Context, listener net.Listener) error {
	handler := http.NewServeMux()
	handler.HandleFunc("POST "+path, n.answer)
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		// Whoever scans the port fails its handshake, which is nobody's concern.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.SetKeepAlivesEnabled(false)
	context.AfterFunc(ctx, func() { _ = server.Close() })
	secured := tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			n.mutex.Lock()
			defer n.mutex.Unlock()
			return n.identity.Server(), nil
		},
	})
	if err := server.Serve(secured); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (n *Node) answer(writer http.ResponseWriter, request *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, longest))
	if err != nil {
		return
	}
	theirs, err := decode(text)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	ours, status, err := n.meet(*request.TLS, theirs)
	if err != nil {
		log.Printf("refused %s: %v", request.RemoteAddr, err)
		http.Error(writer, err.Error(), status)
		return
	}
	writer.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(writer).Encode(ours)
}

func (n *Node) meet(state tls.ConnectionState, theirs *Offer) (*Offer, int, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	certificate := state.PeerCertificates[0]
	site, err := identity.Site(certificate, n.settings)
	if err != nil {
		return nil, http.StatusForbidden, err
	}
	one := n.peers[site.Zone]
	if theirs.Revocations != nil {
		if err := n.hear(theirs.Revocations); err != nil {
			log.Printf("%s: %v", site.Zone, err)
		}
		// It may just have told of its own end.
		if err := n.identity.Revoked(certificate); err != nil {
			return nil, http.StatusForbidden, err
		}
	}
	one.disagrees = theirs.Preshared != digest(one.preshared)
	roll := theirs.Roll && !n.leads(one) || n.leads(one) && n.due(one) && !one.rolling
	var preshared *wgtypes.Key
	if roll {
		if preshared, err = presharedOf(state); err != nil {
			return nil, http.StatusInternalServerError, err
		}
	}
	if err := n.take(one, certificate, theirs, nil, preshared); err != nil {
		return nil, http.StatusInternalServerError, err
	}
	if roll {
		one.disagrees = false
	}
	ours, err := n.offer(one, theirs.RevocationsNumber)
	if err != nil {
		return nil, http.StatusServiceUnavailable, err
	}
	ours.Roll = roll
	return ours, 0, nil
}

// hear takes a revocation list of a peer's, and acts on it.
func (n *Node) hear(der []byte) error {
	return errors.Join(n.identity.Adopt(der), n.expel())
}

// presharedOf gives a key that both ends of a connection have and that was never sent (RFC 8446, section 7.5).
func presharedOf(state tls.ConnectionState) (*wgtypes.Key, error) {
	bytes, err := state.ExportKeyingMaterial("EXPORTER-wiab-mesh-preshared-key", nil, wgtypes.KeyLen)
	if err != nil {
		return nil, err
	}
	key, err := wgtypes.NewKey(bytes)
	return &key, err
}
