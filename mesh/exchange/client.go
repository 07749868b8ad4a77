package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
)

// patience is how long a peer may take to answer.
const patience = 5 * time.Second

// follow asks a peer again and again: where it is, and what its key is.
func (n *Node) follow(ctx context.Context, zone string, kick <-chan struct{}) {
	for {
		n.ask(ctx, zone)
		timer := time.NewTimer(n.Settings().Poll())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-kick:
			timer.Stop()
		}
	}
}

// ask exchanges offers with a peer, at the place that it has named itself and then at the one that it is configured with.
func (n *Node) ask(ctx context.Context, zone string) {
	n.mutex.Lock()
	one := n.peers[zone]
	if one == nil {
		n.mutex.Unlock()
		return
	}
	site, who := one.site, n.identity
	places := slices.Compact(slices.DeleteFunc([]string{one.announced, site.Endpoint}, func(place string) bool { return place == "" }))
	n.mutex.Unlock()

	var failed []error
	for _, place := range places {
		err := n.askAt(ctx, one, site, who, place)
		if err == nil {
			failed = nil
			break
		}
		failed = append(failed, err)
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	one.trouble = ""
	if err := errors.Join(failed...); err != nil {
		one.trouble = err.Error()
	}
}

func (n *Node) askAt(ctx context.Context, one *peer, site settings.Site, who *identity.Identity, place string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n.mutex.Lock()
	ours, err := n.offer(one, one.theirs)
	if err == nil {
		ours.Roll = n.leads(one) && n.due(one)
		one.rolling = ours.Roll
	}
	n.mutex.Unlock()
	defer func() {
		n.mutex.Lock()
		defer n.mutex.Unlock()
		one.rolling = false
	}()
	if err != nil {
		return err
	}
	text, err := json.Marshal(ours)
	if err != nil {
		return err
	}
	// A connection of its own each time: every exchange looks at the certificate, and the name is looked up anew.
	var reached net.Addr
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   who.Client(site),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connection, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, network, place)
			if err != nil {
				return nil, fmt.Errorf("tcp %s does not answer: %w", place, err)
			}
			reached = connection.RemoteAddr()
			return connection, nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+site.Zone+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, longest))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s refuses: %s", place, strings.TrimSpace(string(answer)))
	}
	theirs, err := decode(answer)
	if err != nil {
		return fmt.Errorf("%s answers something else: %w", place, err)
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.peers[site.Zone] != one || one.site != site {
		return nil
	}
	certificate := response.TLS.PeerCertificates[0]
	if theirs.Revocations != nil {
		if err := n.hear(theirs.Revocations); err != nil {
			return err
		}
	}
	// It may have been revoked while it answered.
	if err := n.identity.Revoked(certificate); err != nil {
		return err
	}
	one.theirs = theirs.RevocationsNumber
	var preshared *wgtypes.Key
	if theirs.Roll {
		if preshared, err = presharedOf(*response.TLS); err != nil {
			return err
		}
		one.disagrees = false
	} else {
		one.disagrees = theirs.Preshared != digest(one.preshared)
	}
	return n.take(one, certificate, theirs, n.moved(one, reached), preshared)
}

// moved gives the place of a peer if it is another than the tunnel was told last; a place that the tunnel has found out by
// itself since, from a packet that could be read, stays.
func (n *Node) moved(one *peer, reached net.Addr) *net.UDPAddr {
	at, isTCP := reached.(*net.TCPAddr)
	if !isTCP {
		return nil
	}
	place := &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone}
	if one.endpoint == place.String() {
		return nil
	}
	return place
}
