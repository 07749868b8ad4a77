// Package tunnel has the WireGuard interface of a gateway: the device itself, its peers, and what of the overlay may come in.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/ipc"
	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
)

// Serve has both links there until the context ends: the kernel's where it has WireGuard, else in this process. It
// calls ready with which of both they are. The peers are not its business, and stay if it is killed.
func Serve(ctx context.Context, s *settings.Settings, ready func(kind string)) error {
	kind, closed := "kernel", make(chan string, settings.LinkCount)
	for _, link := range s.Links() {
		if err := ip("link", "add", "dev", link.Name, "type", "wireguard"); err != nil && !exists(link.Name) {
			kind = "userspace"
			gone, stop, err := serveInUserspace(link.Name, s.MTU)
			if err != nil {
				return err
			}
			defer stop()
			go func() { <-gone; closed <- link.Name }()
		} else {
			defer func() { _ = ip("link", "delete", "dev", link.Name) }()
		}
		if err := prepare(link, s.MTU); err != nil {
			return err
		}
	}
	for _, address := range []netip.Addr{s.Site.NameServer(), s.Site.Gateway()} {
		if err := AddAddress(address); err != nil {
			return err
		}
	}
	ready(kind)
	select {
	case <-ctx.Done():
		return nil
	case name := <-closed:
		return fmt.Errorf("the interface %s was taken away", name)
	}
}

func exists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

func serveInUserspace(name string, mtu int) (closed <-chan struct{}, stop func(), err error) {
	adapter, err := tun.CreateTUN(name, mtu)
	if err != nil {
		return nil, nil, fmt.Errorf("neither the kernel nor /dev/net/tun gives the interface %s: %w", name, err)
	}
	file, err := ipc.UAPIOpen(name)
	if err != nil {
		_ = adapter.Close()
		return nil, nil, err
	}
	log := device.NewLogger(device.LogLevelError, name+": ")
	user := device.NewDevice(adapter, conn.NewDefaultBind(), log)
	listener, err := ipc.UAPIListen(name, file)
	if err != nil {
		user.Close()
		return nil, nil, err
	}
	go func() {
		for connection, err := listener.Accept(); err == nil; connection, err = listener.Accept() {
			go user.IpcHandle(connection)
		}
	}()
	return user.Wait(), func() { _ = listener.Close(); user.Close() }, nil
}

// prepare gives an interface its key and port. The site's own addresses are on the loopback interface, so that they do not
// go with a tunnel.
func prepare(link settings.Link, mtu int) error {
	key, err := identity.WireGuardKey(link.KeyFile)
	if err != nil {
		return err
	}
	client, err := wgctrl.New()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.ConfigureDevice(link.Name, wgtypes.Config{PrivateKey: &key, ListenPort: &link.Port}); err != nil {
		return err
	}
	return ip("link", "set", "dev", link.Name, "mtu", fmt.Sprint(mtu), "up")
}

// AddAddress puts an address of the overlay on the loopback interface.
func AddAddress(address netip.Addr) error {
	return ip("-6", "address", "replace", address.String()+"/128", "dev", "lo", "nodad")
}

// RemoveAddress takes it away again.
func RemoveAddress(address netip.Addr) error {
	return ip("-6", "address", "delete", address.String()+"/128", "dev", "lo")
}

// siteProtocol marks the route of SiteNetwork among the kernel's, by a number that nobody else has (/etc/iproute2/rt_protos).
const siteProtocol = "92"

// SiteNetwork has all addresses of a network be the gateway's own, whether somebody listens there or not, and those of a former
// network no longer.
func SiteNetwork(network netip.Prefix) error {
	there, err := siteNetworks()
	if err != nil {
		return err
	}
	for _, one := range there {
		if one != network {
			err = errors.Join(err, ip("-4", "route", "delete", "local", one.String(), "dev", "lo", "proto", siteProtocol))
		}
	}
	if !network.IsValid() || slices.Contains(there, network) {
		return err
	}
	return errors.Join(err, ip("-4", "route", "add", "local", network.String(), "dev", "lo", "proto", siteProtocol))
}

// siteNetworks are those that are the gateway's own by SiteNetwork.
func siteNetworks() (result []netip.Prefix, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, "ip", "-4", "route", "show", "table", "local", "proto", siteProtocol).Output()
	if err != nil {
		return nil, fmt.Errorf("ip route show: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "local" {
			network, err := netip.ParsePrefix(fields[1])
			if err != nil {
				return nil, err
			}
			result = append(result, network)
		}
	}
	return result, nil
}

func ip(arguments ...string) error { return command("", "ip", arguments...) }

func command(input string, name string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	process := exec.CommandContext(ctx, name, arguments...)
	process.Stdin = strings.NewReader(input)
	if output, err := process.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %s", name, strings.Join(arguments, " "), strings.TrimSpace(string(output)+" "+err.Error()))
	}
	return nil
}
