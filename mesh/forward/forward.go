// Package forward brings what arrives for a name of the site to where it is served in the site's own network, which has no
// IPv6, and what the site's machines send to another site's name into the overlay: the overlay ends here.
package forward

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

// dialTimeout is what a target may take to accept.
const dialTimeout = 5 * time.Second

// idleUDP is after how long without an answer or a question a UDP conversation is over (as conntrack's default for one
// that was answered).
const idleUDP = 120 * time.Second

// Forwarder has a listener for each service.
type Forwarder struct {
	running   map[service]context.CancelFunc
	addresses map[netip.Addr]bool
}

// service is what makes two services the same listener.
type service struct {
	address  netip.Addr
	protocol string
	port     uint16
	// targets are joined by commas.
	targets string
}

// New gives a forwarder without services.
func New() *Forwarder {
	return &Forwarder{running: map[service]context.CancelFunc{}, addresses: map[netip.Addr]bool{}}
}

// Adopt starts what is new and stops what has gone; connections of what stays go on. Remote are the names of other sites.
func (f *Forwarder) Adopt(ctx context.Context, s *settings.Settings, remote []settings.Remote) error {
	wanted := map[service]bool{}
	addresses := map[netip.Addr]bool{}
	for _, one := range s.Services {
		wanted[service{one.Address, one.Protocol, one.Port, strings.Join(one.Targets, ",")}] = true
		addresses[one.Address] = true
	}
	for _, one := range remote {
		target := netip.AddrPortFrom(one.Address, one.Port).String()
		wanted[service{one.IPv4, one.Protocol, one.Port, target}] = true
	}
	failed := tunnel.SiteNetwork(s.IPv4Network)
	for one, stop := range f.running {
		if !wanted[one] {
			stop()
			delete(f.running, one)
		}
	}
	for address := range addresses {
		failed = errors.Join(failed, tunnel.AddAddress(address))
	}
	for address := range f.addresses {
		if !addresses[address] {
			failed = errors.Join(failed, tunnel.RemoveAddress(address))
		}
	}
	f.addresses = addresses
	for one := range wanted {
		if f.running[one] != nil {
			continue
		}
		own, stop := context.WithCancel(ctx)
		if err := one.listen(own); err != nil {
			stop()
			failed = errors.Join(failed, err)
			continue
		}
		f.running[one] = stop
	}
	return failed
}

func (one service) listen(ctx context.Context) error {
	at := netip.AddrPortFrom(one.address, one.port).String()
	if one.protocol == "tcp" {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = listener.Close() })
		go acceptTCP(ctx, listener, &targets{all: strings.Split(one.targets, ",")})
		return nil
	}
	socket, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", at)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = socket.Close() })
	go relayUDP(ctx, socket, strings.Split(one.targets, ",")[0])
	return nil
}

func acceptTCP(ctx context.Context, listener net.Listener, to *targets) {
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Printf("%s: %v", listener.Addr(), err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go relayTCP(ctx, client.(*net.TCPConn), to)
	}
}

// targets serve the same.
type targets struct {
	all []string
	// last has accepted the last connection.
	last atomic.Int64
}

// dial connects to the target that has accepted last, or the next that does.
func (t *targets) dial(ctx context.Context) (net.Conn, error) {
	var failed error
	first := int(t.last.Load())
	for step := range t.all {
		index := (first + step) % len(t.all)
		connection, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", t.all[index])
		if err == nil {
			t.last.Store(int64(index))
			return connection, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

func relayTCP(ctx context.Context, client *net.TCPConn, to *targets) {
	defer client.Close()
	dialed, err := to.dial(ctx)
	if err != nil {
		log.Printf("%s: %v", client.LocalAddr(), err)
		return
	}
	server := dialed.(*net.TCPConn)
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(server, client); _ = server.CloseWrite() })
	both.Go(func() { _, _ = io.Copy(client, server); _ = client.CloseWrite() })
	both.Wait()
}

// relayUDP keeps a socket to the target for each client, so that answers find their way back.
func relayUDP(ctx context.Context, socket net.PacketConn, target string) {
	var mutex sync.Mutex
	conversations := map[string]net.Conn{}
	buffer := make([]byte, 65535)
	for {
		length, client, err := socket.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		mutex.Lock()
		server := conversations[client.String()]
		if server == nil {
			server, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "udp", target)
			if err != nil {
				mutex.Unlock()
				log.Printf("%s: %v", socket.LocalAddr(), err)
				continue
			}
			conversations[client.String()] = server
			go func() {
				answers(socket, client, server)
				mutex.Lock()
				delete(conversations, client.String())
				mutex.Unlock()
			}()
		}
		mutex.Unlock()
		_ = server.SetReadDeadline(time.Now().Add(idleUDP))
		_, _ = server.Write(buffer[:length])
	}
}

func answers(socket net.PacketConn, client net.Addr, server net.Conn) {
	defer server.Close()
	buffer := make([]byte, 65535)
	for {
		length, err := server.Read(buffer)
		if err != nil {
			return
		}
		if _, err := socket.WriteTo(buffer[:length], client); err != nil {
			return
		}
		_ = server.SetReadDeadline(time.Now().Add(idleUDP))
	}
}
