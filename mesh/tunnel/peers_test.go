package tunnel

import (
	"net/netip"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/settings"
)

// counted is a device whose looks are counted.
type counted struct {
	looks  int
	device wgtypes.Device
}

func (c *counted) Device(string) (*wgtypes.Device, error) {
	c.looks++
	seen := c.device
	return &seen, nil
}

func (c *counted) ConfigureDevice(_ string, config wgtypes.Config) error {
	for _, peer := range config.Peers {
		c.device.Peers = append(c.device.Peers, wgtypes.Peer{PublicKey: peer.PublicKey, AllowedIPs: peer.AllowedIPs})
	}
	return nil
}

func TestALookIsUsedUntilTheLinkChanges(t *testing.T) {
	device := &counted{}
	p := &Peers{client: device, settings: &settings.Settings{}}
	began := time.Now()
	for range 100 {
		if _, err := p.All(0); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Own(0); err != nil {
			t.Fatal(err)
		}
	}
	if most := 1 + int(time.Since(began)/lookLife); device.looks > most {
		t.Errorf("it was looked at %d times in %v, wanted are %d at most", device.looks, time.Since(began), most)
	}
	prefix := netip.MustParsePrefix("fd51:2::/64")
	if err := p.Set(0, prefix, wgtypes.Key{1}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if all, err := p.All(0); err != nil || all[prefix].PublicKey != (wgtypes.Key{1}) {
		t.Errorf("a peer that was just set is not seen: %v, %v", all, err)
	}
	looks := device.looks
	time.Sleep(lookLife)
	if _, err := p.All(0); err != nil || device.looks == looks {
		t.Errorf("an old look is used: %v", err)
	}
}
