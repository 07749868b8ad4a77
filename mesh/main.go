// mesh is the program of a gateway: the device of the tunnel, the exchange with other sites, and the way from a name of the site to
// where it is served. Each is a process of its own, so that the end of one does not take the others along.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"wiab-staging/mesh/control"
	"wiab-staging/mesh/exchange"
	"wiab-staging/mesh/forward"
	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/names"
	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

const usage = `usage: mesh MODE SETTINGS
  keys       makes the keys that are missing, and prints their public parts
  device     has the interface there as long as it runs
  run        finds the peers and keeps them, as long as it runs
  names      has the site's zone follow what there is, as long as it runs
  forward    brings what arrives for the site's names to its targets, as long as it runs
  status, metrics                    ask what runs
  rotate-preshared, rotate-private   have it take new keys`

var modes = map[string]func(ctx context.Context, file string, s *settings.Settings) error{
	"keys":    keys,
	"device":  device,
	"run":     run,
	"names":   func(ctx context.Context, file string, _ *settings.Settings) error { return names.Keep(ctx, file) },
	"forward": forwardNames,
	"status":  call("GET", "/status"), "metrics": call("GET", "/metrics"),
	"rotate-preshared": call("POST", "/rotate/preshared"), "rotate-private": call("POST", "/rotate/private"),
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log.SetFlags(0)
	if len(os.Args) != 3 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	s, err := settings.Read(os.Args[2])
	if err == nil {
		err = modes[os.Args[1]](ctx, os.Args[2], s)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mesh %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func keys(_ context.Context, _ string, s *settings.Settings) error {
	public, err := identity.MakeKeys(s)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(public)
}

func device(ctx context.Context, _ string, s *settings.Settings) error {
	return tunnel.Serve(ctx, s, func(kind string) { fmt.Printf("%s: WireGuard of the %s\n", s.Interface, kind) })
}

func run(ctx context.Context, file string, s *settings.Settings) error {
	who, err := identity.Load(s)
	if err != nil {
		return err
	}
	peers, err := tunnel.NewPeers(s)
	if err != nil {
		return err
	}
	if err := waitFor(ctx, func() error { _, err := peers.Own(settings.LinkCount - 1); return err }); err != nil {
		return err
	}
	node, err := exchange.New(s, who, peers)
	if err != nil {
		return err
	}
	adopt := func() error {
		now, err := settings.ReadAll(file)
		if err != nil {
			return err
		}
		who, err := identity.Load(now)
		if err != nil {
			return err
		}
		if now.Interface != s.Interface || now.Port != s.Port || now.Site.Prefix != s.Site.Prefix || now.Site.Zone != s.Site.Zone {
			return errors.New("another interface, port, zone or prefix takes a restart")
		}
		return errors.Join(peers.Admit(now), node.Adopt(ctx, now, who))
	}
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(s.Port))
	if err != nil {
		return err
	}
	if err := adopt(); err != nil {
		return err
	}
	go settings.Watch(ctx, func() []string {
		return []string{file, s.CertificateFile, s.IdentityKeyFile, s.AuthorityFile, s.RevocationsFile, s.OfferedFile()}
	}, adopt)
	go every(ctx, time.Second, func() {
		if err := node.Expel(); err != nil {
			log.Print(err)
		}
	})
	failed := make(chan error, 2)
	go func() { failed <- node.Serve(ctx, listener) }()
	go func() {
		failed <- control.Serve(ctx, s.Socket, node, func() (*exchange.Status, error) { return status(node, peers) })
	}()
	return <-failed
}

// status adds what the gateway itself knows to what the node does.
func status(node *exchange.Node, peers *tunnel.Peers) (*exchange.Status, error) {
	result, err := node.Status()
	if err != nil {
		return nil, err
	}
	result.Drift = append(result.Drift, peers.Drift(node.Settings())...)
	found, err := settings.ReadOffered(node.Settings())
	if err != nil {
		return nil, err
	}
	result.Names, result.Trouble = found.Names, found.Trouble
	result.Remote, err = settings.ReadRemote(node.Settings())
	return result, err
}

func forwardNames(ctx context.Context, file string, s *settings.Settings) error {
	forwarder := forward.New()
	adopt := func() error {
		now, err := settings.ReadAll(file)
		if err != nil {
			return err
		}
		remote, err := settings.ReadRemote(now)
		if err != nil {
			return err
		}
		return forwarder.Adopt(ctx, now, remote)
	}
	if err := adopt(); err != nil {
		log.Print(err)
	}
	settings.Watch(ctx, func() []string { return []string{file, s.OfferedFile(), s.RemoteFile()} }, adopt)
	return nil
}

func call(method, path string) func(context.Context, string, *settings.Settings) error {
	return func(ctx context.Context, _ string, s *settings.Settings) error {
		return control.Call(ctx, s.Socket, method, path, io.Writer(os.Stdout))
	}
}

func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// waitFor tries every 200 ms, for 30 s.
func waitFor(ctx context.Context, try func() error) (err error) {
	for range 150 {
		if err = try(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return err
}
