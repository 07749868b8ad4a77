package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"wiab-staging/wasimoff/devtools"
)

// sandboxWorks tells whether Chromium can wall its renderers off here: not as root, and only with user namespaces.
func sandboxWorks() bool {
	if os.Getuid() == 0 {
		return false
	}
	probe := exec.Command("/proc/self/exe", "-help")
	probe.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
	}
	err := probe.Run()
	var exit *exec.ExitError
	return err == nil || errors.As(err, &exit)
}

// browser is a Chromium with one page.
type browser struct {
	*devtools.Connection
	process *exec.Cmd
	profile string
	session string
}

// start starts Chromium and opens an empty page in it, of whose connections `on` is told.
func start(ctx context.Context, settings *Settings, sandbox bool, on func(*browser, devtools.Event)) (*browser, error) {
	profile, err := os.MkdirTemp(settings.Profile, "profile-")
	if err != nil {
		return nil, err
	}
	// Chromium reads descriptor 3 and writes to 4.
	commandsFrom, commandsTo, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answersFrom, answersTo, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	process := exec.Command(settings.Chromium, settings.flags(profile, sandbox)...)
	process.ExtraFiles = []*os.File{commandsFrom, answersTo}
	process.Stderr = os.Stderr
	// Its children end with it, and it with this program.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	process.Env = append(os.Environ(), "HOME="+profile, "XDG_CONFIG_HOME="+profile, "XDG_CACHE_HOME="+profile)
	if err := process.Start(); err != nil {
		return nil, err
	}
	commandsFrom.Close()
	answersTo.Close()
	started := &browser{devtools.Connect(commandsTo), process, profile, ""}
	go started.Serve(answersFrom, func(happened devtools.Event) { on(started, happened) })
	if err := started.open(ctx, settings.Token != ""); err != nil {
		started.end()
		return nil, err
	}
	return started, nil
}

func (started *browser) open(ctx context.Context, login bool) error {
	var target struct{ TargetID string }
	var attached struct{ SessionID string }
	err := started.Call(ctx, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	if err != nil {
		return fmt.Errorf("Chromium does not start: %w", err)
	}
	err = started.Call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	if err != nil {
		return err
	}
	started.session = attached.SessionID
	for _, method := range []string{"Page.enable", "Inspector.enable"} {
		if err := started.Call(ctx, started.session, method, nil, nil); err != nil {
			return err
		}
	}
	if login {
		err := started.Call(ctx, started.session, "Fetch.enable", map[string]any{"handleAuthRequests": true}, nil)
		if err != nil {
			return err
		}
	}
	started.watch(started.session)
	return nil
}

// watch has a session, a page's or a worker's, tell of its connections, its workers and what it writes to the console.
func (started *browser) watch(session string) {
	for _, method := range []string{"Network.enable", "Runtime.enable"} {
		started.Send(session, method, nil)
	}
	started.Send(session, "Target.setAutoAttach", map[string]any{"autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true})
}

// navigate opens the broker's page; what is wrong is in Chromium's own words, such as net::ERR_CERT_AUTHORITY_INVALID.
func (started *browser) navigate(ctx context.Context, page string) error {
	// The same page but for what is behind "#" would not be loaded again.
	for _, url := range []string{"about:blank", page} {
		var result struct{ ErrorText string }
		if err := started.Call(ctx, started.session, "Page.navigate", map[string]any{"url": url}, &result); err != nil {
			return err
		}
		if result.ErrorText != "" {
			return errors.New(result.ErrorText)
		}
	}
	return nil
}

// drain has the page take no more jobs and end those that it has, where it knows how: upstream's does not.
func (started *browser) drain(ctx context.Context) {
	_ = started.Call(ctx, started.session, "Runtime.evaluate",
		map[string]any{"expression": "globalThis.drain?.()", "awaitPromise": true}, nil)
}

// end ends Chromium with all its processes.
func (started *browser) end() {
	_ = syscall.Kill(-started.process.Process.Pid, syscall.SIGKILL)
	_ = started.process.Wait()
	_ = os.RemoveAll(started.profile)
}
