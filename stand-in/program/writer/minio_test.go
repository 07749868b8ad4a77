package writer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"wiab-staging/stand-in/program/stores"
)

// undoing is an object store that does not answer the first write and takes it back after the second one, as MinIO does
// with a write that has not reached enough drives.
type undoing struct {
	mutex   sync.Mutex
	objects map[string]string
	first   string
	writes  int
}

func (u *undoing) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	name := strings.TrimPrefix(request.URL.Path, "/bucket/")
	u.mutex.Lock()
	defer u.mutex.Unlock()
	switch request.Method {
	case "PUT":
		u.objects[name] = content(request)
		u.writes++
		switch u.writes {
		case 1:
			u.first = name
			u.mutex.Unlock()
			<-request.Context().Done()
			u.mutex.Lock()
		case 2:
			delete(u.objects, u.first)
		}
		w.Header().Set("ETag", `"x"`)
	case "GET":
		text, there := u.objects[name]
		if !there {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
			return
		}
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
		fmt.Fprint(w, text)
	}
}

// content of an upload, which is signed piece by piece: a line with its size comes before each.
func content(request *http.Request) string {
	lines := bufio.NewReader(request.Body)
	var size int
	head, _ := lines.ReadString('\n')
	_, _ = fmt.Sscanf(head, "%x;", &size)
	// To the end: the server does not see that a client has gone while there is something to read.
	rest, _ := io.ReadAll(lines)
	return string(rest[:size])
}

func TestAnUndoneAttemptTakesNoRecordAwayAndALostOneIsMissed(t *testing.T) {
	service := &undoing{objects: map[string]string{}}
	server := httptest.NewServer(service)
	defer server.Close()
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	to := target{Addresses: []string{host}, Port: stores.Port(port), AccessKey: "key", SecretKey: "secret", Bucket: "bucket"}
	w := &writer{to: to, open: minioOpener(), run: "test"}
	put := func(number int64) error {
		return w.try(t.Context(), 200*time.Millisecond, func(ctx context.Context, s store) error { return s.put(ctx, number) })
	}
	if put(1) == nil {
		t.Fatal("the first attempt was answered")
	}
	for number := int64(1); number <= 3; number++ {
		if err := put(number); err != nil {
			t.Fatal(err)
		}
	}
	delete(service.objects, w.store.(*minioStore).acknowledged[3])
	there := map[int64]bool{}
	if err := w.store.read(t.Context(), 3, func(number int64) { there[number] = true }); err != nil {
		t.Fatal(err)
	}
	if !there[1] || !there[2] || there[3] {
		t.Errorf("read back %v", there)
	}
}
