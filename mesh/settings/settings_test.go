package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `{"interface": "wg", "site": {"zone": "a.internal", "prefix": "fd51:1::/64", "endpoint": "192.0.2.1:29292"},
"port": 29292, "peers": [{"zone": "b.internal", "prefix": "fd51:2::/64", "endpoint": "b.example.com:29292"}],
"services": [{"label": "web", "address": "fd51:1::8000:0:0:1", "protocol": "tcp", "port": 80, "targets": ["192.0.2.9:80"], "peers": ["b.internal"]}]}`

func read(t *testing.T, text string) (*Settings, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mesh.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(file)
}

func TestSettingsHaveTheirDefaultsAndAddresses(t *testing.T) {
	s, err := read(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if s.Poll().Seconds() != 5 || s.PresharedLife().Hours() != 24 {
		t.Errorf("defaults are %v and %v", s.Poll(), s.PresharedLife())
	}
	if s.Site.NameServer().String() != "fd51:1::fe" || s.Site.Gateway().String() != "fd51:1::ff" {
		t.Errorf("addresses are %v and %v", s.Site.NameServer(), s.Site.Gateway())
	}
}

func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	for former, other := range map[string]string{
		"fd51:2::/64":         "fd51:1::/64",
		"b.internal\", \"pre": "a.internal\", \"pre",
		"fd51:1::/64":         "fd51:1::1/64",
		"fd51:2::/64\"":       "fd51:2::/48\"",
		"b.example.com:29292": "b.example.com",
		"\"tcp\"":             "\"sctp\"",
		"fd51:1::8000:0:0:1":  "fd51:2::8000:0:0:1",
		"\"port\": 29292":     "\"port\": 65535",
		"[\"192.0.2.9:80\"]":  "[]",
	} {
		if _, err := read(t, strings.Replace(good, former, other, 1)); err == nil {
			t.Errorf("%s instead of %s is taken", other, former)
		}
	}
}

func TestAccessIsWhatIsDeclared(t *testing.T) {
	s := &Settings{Access: []Access{
		{Label: "web", Ports: []uint16{80}, Peers: []string{"b", "c"}},
		{Label: "web", Ports: []uint16{443}, Peers: []string{"c"}},
		{Label: "all", Peers: []string{"b"}},
		{Label: Everything, Ports: []uint16{8080}, Peers: []string{"d"}},
	}}
	for _, one := range []struct {
		label string
		port  uint16
		peers string
	}{
		{"web", 80, "b c"}, {"web", 443, "c"}, {"web", 22, ""},
		// A name with an entry of its own follows that alone.
		{"web", 8080, ""},
		{"all", 22, "b"},
		{"other", 8080, "d"}, {"other", 80, ""},
	} {
		if found := strings.Join(s.Allowed(one.label, one.port), " "); found != one.peers {
			t.Errorf("%s port %d: %q may use it, wanted is %q", one.label, one.port, found, one.peers)
		}
	}
	if found := (&Settings{}).Allowed("web", 80); len(found) != 0 {
		t.Errorf("nothing is declared, and %v may use it", found)
	}
}
