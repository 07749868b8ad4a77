package exchange

import (
	"strings"
	"testing"
	"time"

	"wiab-staging/mesh/tunnel"
)

func TestMetricsSayWhatTheTunnelDoes(t *testing.T) {
	m := newMesh(t)
	a, listenerA := m.site("a", 1)
	b, listenerB := m.site("b", 2)
	a.start(t, listenerA, b)
	b.start(t, listenerB, a)
	eventually(t, "both agree", func() bool { return agree(a, b) })
	prefix := b.settings.Site.Prefix
	a.tunnel.mutex.Lock()
	for link, bytes := range []int64{1000, 200} {
		one := a.tunnel.peers[link][prefix]
		one.Received, one.Sent = bytes, 2*bytes
		a.tunnel.peers[link][prefix] = one
	}
	a.tunnel.mutex.Unlock()
	status, err := a.node.Status()
	if err != nil {
		t.Fatal(err)
	}
	peer := status.Peers[0]
	if peer.HandshakeAge < 0 || peer.HandshakeAge > 60 || peer.DaysLeft <= 0 || peer.DaysLeft > 1 || status.DaysLeft <= 0 || !peer.Standby {
		t.Errorf("the status is %+v", status)
	}
	status.Peers[0].HandshakeAge, status.Peers[0].DaysLeft, status.DaysLeft = 12.5, 89.25, 88
	var text strings.Builder
	status.WriteMetrics(&text)
	for _, line := range []string{
		"wiab_mesh_certificate_days 88\n",
		"# TYPE wiab_mesh_peer_handshake_age_seconds gauge\n",
		`wiab_mesh_peer_joined{peer="b.internal"} 1` + "\n",
		`wiab_mesh_peer_standby{peer="b.internal"} 1` + "\n",
		`wiab_mesh_peer_handshake_age_seconds{peer="b.internal"} 12.5` + "\n",
		`wiab_mesh_peer_received_bytes{peer="b.internal"} 1200` + "\n",
		`wiab_mesh_peer_sent_bytes{peer="b.internal"} 2400` + "\n",
		`wiab_mesh_peer_certificate_days{peer="b.internal"} 89.25` + "\n",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("%q is missing in\n%s", line, text.String())
		}
	}
}

func TestALinkIsTakenThatWorks(t *testing.T) {
	m := newMesh(t)
	a, listener := m.site("a", 1)
	b, _ := m.site("b", 2)
	a.start(t, listener, b)
	one := newPeer(b.settings.Site)
	at := func(link int, age time.Duration) {
		a.tunnel.peers[link][one.site.Prefix] = tunnel.Peer{Handshake: time.Now().Add(-age)}
	}
	a.tunnel.real = true
	for _, step := range []struct {
		first, second time.Duration
		leaves, using int
	}{
		{0, 0, none, 0},
		// Its port is closed, or the other side renews its key.
		{time.Hour, 0, none, 1},
		{0, 0, none, 1},
		{0, 0, 1, 0},
		// There is nowhere to go.
		{0, time.Hour, 0, 0},
	} {
		at(0, step.first)
		at(1, step.second)
		one.leaves = step.leaves
		a.node.mutex.Lock()
		err := a.node.choose(one)
		a.node.mutex.Unlock()
		if err != nil || one.using != step.using || a.tunnel.routes[one.site.Prefix] != step.using {
			t.Errorf("%+v: it takes %d, %v", step, one.using, err)
		}
	}
}
