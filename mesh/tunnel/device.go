// Package tunnel has the WireGuard interface of a gateway: the device itself, its peers, and what of the overlay may come in.
package tunnel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
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

// Serve has the interface there until the context ends: the kernel's where it has WireGuard, else one in this process. It
// calls ready with which of both it is. The peers are not its business, and stay if it is killed.
func Serve(ctx context.Context, s *settings.Settings, ready func(kind string)) error {
	kind, closed := "kernel", make(<-chan struct{})
	if err := ip("link", "add", "dev", s.Interface, "type", "wireguard"); err != nil && !exists(s.Interface) {
		kind = "userspace"
		user, stop, err := serveInUserspace(s)
		if err != nil {
			return err
		}
		defer stop()
		closed = user
	} else {
		defer func() { _ = ip("link", "delete", "dev", s.Interface) }()
	}
	if err := prepare(s); err != nil {
		return err
	}
	ready(kind)
	select {
	case <-ctx.Done():
		return nil
	case <-closed:
		return fmt.Errorf("the interface %s was taken away", s.Interface)
	}
}

func exists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

func serveInUserspace(s *settings.Settings) (closed <-chan struct{}, stop func(), err error) {
	adapter, err := tun.CreateTUN(s.Interface, s.MTU)
	if err != nil {
		return nil, nil, fmt.Errorf("neither the kernel nor /dev/net/tun gives the interface %s: %w", s.Interface, err)
	}
	file, err := ipc.UAPIOpen(s.Interface)
	if err != nil {
		_ = adapter.Close()
		return nil, nil, err
	}
	log := device.NewLogger(device.LogLevelError, s.Interface+": ")
	user := device.NewDevice(adapter, conn.NewDefaultBind(), log)
	listener, err := ipc.UAPIListen(s.Interface, file)
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

// prepare gives the interface its key and port, and the site its own addresses. They are on the loopback interface, so
// that they do not go with a tunnel.
func prepare(s *settings.Settings) error {
	key, err := identity.WireGuardKey(s.KeyFile)
	if err != nil {
		return err
	}
	client, err := wgctrl.New()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.ConfigureDevice(s.Interface, wgtypes.Config{PrivateKey: &key, ListenPort: &s.Port}); err != nil {
		return err
	}
	if err := ip("link", "set", "dev", s.Interface, "mtu", fmt.Sprint(s.MTU), "up"); err != nil {
		return err
	}
	for _, address := range []netip.Addr{s.Site.NameServer(), s.Site.Gateway()} {
		if err := AddAddress(address); err != nil {
			return err
		}
	}
	return nil
}

// AddAddress puts an address of the overlay on the loopback interface.
func AddAddress(address netip.Addr) error {
	return ip("-6", "address", "replace", address.String()+"/128", "dev", "lo", "nodad")
}

// RemoveAddress takes it away again.
func RemoveAddress(address netip.Addr) error {
	return ip("-6", "address", "delete", address.String()+"/128", "dev", "lo")
}

// AddRoute sends a peer's prefix into the tunnel, from the gateway's own address.
func AddRoute(s *settings.Settings, prefix netip.Prefix) error {
	return ip("-6", "route", "replace", prefix.String(), "dev", s.Interface, "src", s.Site.Gateway().String())
}

// RemoveRoute keeps what is for a peer that has gone from the site's other ways out.
func RemoveRoute(prefix netip.Prefix) error {
	return ip("-6", "route", "replace", "unreachable", prefix.String(), "dev", "lo")
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
