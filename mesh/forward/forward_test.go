package forward

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"wiab-staging/mesh/settings"
)

func TestNamesOfOtherSitesAreReachedByIPv4(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("there is no IPv6 here: %v", err)
	}
	defer listener.Close()
	target := netip.MustParseAddrPort(listener.Addr().String())
	go func() {
		for client, err := listener.Accept(); err == nil; client, err = listener.Accept() {
			fmt.Fprintln(client, "tcp")
			client.Close()
		}
	}()
	socket, err := net.ListenPacket("udp", target.String())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	go func() {
		buffer := make([]byte, 10)
		for _, client, err := socket.ReadFrom(buffer); err == nil; _, client, err = socket.ReadFrom(buffer) {
			_, _ = socket.WriteTo([]byte("udp\n"), client)
		}
	}()
	at := netip.MustParseAddr("127.9.9.9")
	remote := []settings.Remote{
		{Zone: "b", Label: "web", Address: target.Addr(), IPv4: at, Protocol: "tcp", Port: target.Port()},
		{Zone: "b", Label: "web", Address: target.Addr(), IPv4: at, Protocol: "udp", Port: target.Port()},
	}
	ask := func(protocol string) string {
		connection, err := net.Dial(protocol, netip.AddrPortFrom(at, target.Port()).String())
		if err != nil {
			return ""
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(time.Second))
		_, _ = connection.Write([]byte("?"))
		line, _ := bufio.NewReader(connection).ReadString('\n')
		return line
	}
	forwarder := New()
	for range 2 {
		if err := forwarder.Adopt(ctx, &settings.Settings{}, remote); err != nil {
			t.Fatal(err)
		}
		if tcp, udp := ask("tcp"), ask("udp"); tcp != "tcp\n" || udp != "udp\n" {
			t.Errorf("they answer %q and %q", tcp, udp)
		}
	}
	if err := forwarder.Adopt(ctx, &settings.Settings{}, nil); err != nil {
		t.Fatal(err)
	}
	if tcp, udp := ask("tcp"), ask("udp"); tcp != "" || udp != "" {
		t.Errorf("they are offered no more, and answer %q and %q", tcp, udp)
	}
}
