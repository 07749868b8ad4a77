// Package provider keeps a browser's page connected to a broker.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"wiab-staging/wasimoff/devtools"
)

const (
	// patience is how long a page may take to connect, on a slow machine.
	patience = 90 * time.Second
	// firstPause and longestPause are between attempts.
	firstPause, longestPause = time.Second, 15 * time.Second
)

// Provider is a browser whose page is to be connected.
type Provider struct {
	Settings
	connected atomic.Bool
	restarts  atomic.Int64
}

// Connected tells whether the page has its connection.
func (provider *Provider) Connected() bool { return provider.connected.Load() }

// Restarts tells how often the page or its browser had to be started anew.
func (provider *Provider) Restarts() int64 { return provider.restarts.Load() }

// Run keeps the page connected until the context ends; then it lets jobs end.
func (provider *Provider) Run(ctx context.Context) error {
	sandbox := sandboxWorks()
	fmt.Printf("Chromium's own sandbox is %s\n", map[bool]string{true: "on", false: "off: user namespaces are not to be had here"}[sandbox])
	pause := firstPause
	for ctx.Err() == nil {
		connectedOnce, err := provider.browse(ctx, sandbox)
		if ctx.Err() != nil {
			break
		}
		if connectedOnce {
			pause = firstPause
		}
		fmt.Printf("%v; the browser is started anew in %v\n", err, pause)
		provider.restarts.Add(1)
		sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
	return nil
}

// browse keeps one browser's page connected until the browser has to go.
func (provider *Provider) browse(ctx context.Context, sandbox bool) (connectedOnce bool, err error) {
	changes := make(chan event, 256)
	running, err := start(ctx, &provider.Settings, sandbox, func(running *browser, happened devtools.Event) {
		provider.handle(running, happened, changes)
	})
	if err != nil {
		return false, err
	}
	defer running.end()
	defer provider.connected.Store(false)
	pause := firstPause
	for {
		connected, err := provider.session(ctx, running, changes)
		connectedOnce = connectedOnce || connected
		if ctx.Err() != nil {
			provider.connected.Store(false)
			finish, cancel := context.WithTimeout(context.Background(), provider.Drain)
			defer cancel()
			running.drain(finish)
			return connectedOnce, nil
		}
		var again *lost
		if !errors.As(err, &again) {
			return connectedOnce, err
		}
		if connected {
			pause = firstPause
		}
		fmt.Printf("%v; the page is opened again in %v\n", err, pause)
		provider.restarts.Add(1)
		sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
}

// lost is a page that has to be opened again, in the same browser.
type lost struct{ reason string }

func (lost *lost) Error() string { return lost.reason }

// session opens the page and waits until its connection is lost.
func (provider *Provider) session(ctx context.Context, running *browser, changes <-chan event) (connected bool, err error) {
	for len(changes) > 0 {
		<-changes
	}
	opening, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := running.navigate(opening, provider.page()); err != nil {
		select {
		case <-running.Closed():
			return false, errors.New("Chromium has ended")
		default:
			return false, &lost{fmt.Sprintf("%s cannot be opened: %v", provider.Broker.Redacted(), err)}
		}
	}
	late := time.After(patience)
	open := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return connected, ctx.Err()
		case <-running.Closed():
			return connected, errors.New("Chromium has ended")
		case <-late:
			if !connected {
				return false, &lost{fmt.Sprintf("the page has not connected within %v", patience)}
			}
		case change := <-changes:
			switch {
			case change.crashed:
				return connected, errors.New("the page has crashed")
			case change.refused != "":
				return connected, &lost{change.refused}
			case change.opened:
				open[change.connection] = true
				if !connected {
					fmt.Println("connected")
				}
				connected = true
				provider.connected.Store(true)
			case open[change.connection]:
				delete(open, change.connection)
				if len(open) == 0 {
					provider.connected.Store(false)
					return connected, &lost{"the connection is lost"}
				}
			}
		}
	}
}

// event is a change of the page's connections, of whichever era.
type event struct {
	connection      string
	opened, crashed bool
	refused         string
}

// handle makes changes of what the browser tells. It is called for one event after another.
func (provider *Provider) handle(running *browser, happened devtools.Event, changes chan<- event) {
	var params struct {
		RequestID, TransportID, SessionID, ErrorMessage, Type string
		Response                                              struct{ Status int }
		TargetInfo                                            struct{ Type string }
		Args                                                  []struct{ Value any }
	}
	if json.Unmarshal(happened.Params, &params) != nil {
		return
	}
	switch happened.Method {
	case "Network.webSocketHandshakeResponseReceived":
		if params.Response.Status == 101 {
			changes <- event{connection: params.RequestID, opened: true}
		}
	case "Network.webTransportConnectionEstablished":
		changes <- event{connection: params.TransportID, opened: true}
	case "Network.webSocketClosed":
		changes <- event{connection: params.RequestID}
	case "Network.webTransportClosed":
		changes <- event{connection: params.TransportID}
	case "Network.webSocketFrameError":
		fmt.Println("the connection:", params.ErrorMessage)
	case "Network.responseReceived":
		if params.Type == "Document" && params.Response.Status >= 400 {
			changes <- event{refused: fmt.Sprintf("the broker's page is answered with status %d", params.Response.Status)}
		}
	case "Inspector.targetCrashed":
		changes <- event{crashed: true}
	case "Target.attachedToTarget":
		if params.TargetInfo.Type != "page" {
			running.watch(params.SessionID)
		}
	case "Fetch.requestPaused":
		running.Send(happened.Session, "Fetch.continueRequest", map[string]any{"requestId": params.RequestID})
	case "Fetch.authRequired":
		running.Send(happened.Session, "Fetch.continueWithAuth", map[string]any{
			"requestId": params.RequestID,
			"authChallengeResponse": map[string]any{
				"response": "ProvideCredentials", "username": "wasimoff", "password": provider.Token,
			},
		})
	case "Runtime.consoleAPICalled":
		for _, one := range params.Args {
			fmt.Println("the page:", one.Value)
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
