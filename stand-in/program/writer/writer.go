// Package writer counts the acknowledged writes that a service loses while something fails.
package writer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"wiab-staging/stand-in/program/stores"
)

// target is what the mode `write` gets as settings: a service to write to.
type target struct {
	// Addresses of the nodes, each tried in turn.
	Addresses []string
	Port      stores.Port
	// Authority in PEM where the service wants TLS.
	Authority string
	// Unverified believes whoever answers, as `sslmode: require` does: a name that leads to several nodes is in none of
	// their certificates.
	Unverified bool
	// User and Password for PostgreSQL and RabbitMQ.
	User, Password string
	Database       string
	VHost          string
	// AccessKey, SecretKey and Bucket for MinIO.
	AccessKey, SecretKey, Bucket string
	// Replicas of what is written, in Cassandra and Elasticsearch: by default 3, or as many as there are nodes.
	Replicas int
	// EveryMilliseconds a record is written, at most.
	EveryMilliseconds int
	// AttemptSeconds until a write without an answer is tried again.
	AttemptSeconds int
	// VerifySeconds to read everything back, errors included.
	VerifySeconds int
}

// access to the first address first.
func (to target) access() (stores.Access, error) {
	access := stores.Access{
		Hosts: to.Addresses, Port: to.Port,
		User: cmp.Or(to.User, to.AccessKey), Password: cmp.Or(to.Password, to.SecretKey),
		Database: to.Database, VHost: cmp.Or(to.VHost, "/"),
		// There is no digest for the Ed25519 certificates of the lab's nodes.
		ChannelBinding: "disable",
	}
	var err error
	if to.Authority != "" {
		access.TLS, err = stores.Trusting(to.Authority, to.Unverified)
	}
	return access, err
}

// store keeps numbered records in a service. After an error it is closed, and another one opened.
type store interface {
	// put returns once the service has acknowledged the record. It may be called again with the same number.
	put(ctx context.Context, number int64) error
	// read calls found with each number that is there, some of them perhaps more than once.
	read(ctx context.Context, last int64, found func(number int64)) error
	// clean removes everything.
	clean(ctx context.Context) error
	close()
}

// open makes a store in a service; run tells it from other runs.
type open func(ctx context.Context, access stores.Access, to target, run string) (store, error)

var services = map[string]open{
	"cassandra":     openCassandra,
	"postgresql":    openPostgresql,
	"elasticsearch": openElasticsearch,
	"minio":         minioOpener(),
	"rabbitmq":      openRabbitmq,
}

// batch is how many records are asked for at once where they cannot be listed.
const batch = 500

// pause is a time without an acknowledgement.
type pause struct {
	At           time.Time `json:"at"`
	Milliseconds int64     `json:"milliseconds"`
}

// report is what is printed in the end.
type report struct {
	Service      string `json:"service"`
	Acknowledged int64  `json:"acknowledged"`
	// Failures are attempts that ended in an error; each was made again.
	Failures     int64   `json:"failures"`
	LongestPause pause   `json:"longestPause"`
	Pauses       []pause `json:"pauses"`
	// MissingCount of acknowledged records, and the first of them.
	MissingCount int64   `json:"missingCount"`
	Missing      []int64 `json:"missing"`
	// Error of the verification, empty if everything could be read.
	Error string `json:"error"`
	// Errors of writes, the last few different ones.
	Errors []string `json:"errors"`
}

// notable is the shortest pause that the report lists.
const notable = time.Second

// Run is the mode `write`: it puts numbered records until a signal comes, then reads them all and reports.
func Run(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("write", flag.ExitOnError)
	service := flags.String("service", "", "cassandra, postgresql, elasticsearch, minio or rabbitmq")
	settings := flags.String("settings", "", "a file; standard input without it")
	_ = flags.Parse(arguments)
	opener := services[*service]
	if opener == nil {
		return fmt.Errorf("--service %q: there are cassandra, postgresql, elasticsearch, minio and rabbitmq", *service)
	}
	to, err := readTarget(*settings)
	if err != nil {
		return fmt.Errorf("settings in %s: %w", cmp.Or(*settings, "standard input"), err)
	}
	if to.Replicas == 0 {
		to.Replicas = min(3, len(to.Addresses))
	}
	w := &writer{to: to, open: opener, run: strconv.FormatInt(time.Now().UnixNano(), 36)}
	w.report = report{Service: *service, Pauses: []pause{}, Missing: []int64{}, Errors: []string{}}
	w.write(ctx)
	verifying, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(to.VerifySeconds)*time.Second)
	defer cancel()
	w.verify(verifying)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(w.report); err != nil {
		return err
	}
	switch {
	case w.report.Error != "":
		return errors.New("not everything could be read back: " + w.report.Error)
	case w.report.MissingCount > 0:
		return fmt.Errorf("%d acknowledged records are missing", w.report.MissingCount)
	case w.report.Acknowledged == 0:
		return errors.New("nothing was acknowledged")
	}
	return nil
}

func readTarget(file string) (target, error) {
	to := target{EveryMilliseconds: 50, AttemptSeconds: 5, VerifySeconds: 300}
	input := os.Stdin
	if file != "" {
		var err error
		if input, err = os.Open(file); err != nil {
			return to, err
		}
		defer input.Close()
	}
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&to)
	if err == nil && len(to.Addresses) == 0 {
		err = errors.New("addresses is empty")
	}
	return to, err
}

type writer struct {
	to     target
	open   open
	run    string
	store  store
	report report
}

// try does something with an open store within a time, and closes the store if that fails, so that the next
// attempt begins at another address. Opening has as much time of its own: a driver that waits for a node which does not
// answer would leave none.
func (w *writer) try(ctx context.Context, limit time.Duration, action func(context.Context, store) error) error {
	within := func(step func(context.Context) error) error {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return step(limited)
	}
	err := within(w.opened)
	if err == nil {
		err = within(func(ctx context.Context) error { return action(ctx, w.store) })
	}
	if err != nil {
		if w.store != nil {
			w.store.close()
			w.store = nil
		}
		w.to.Addresses = append(w.to.Addresses[1:len(w.to.Addresses):len(w.to.Addresses)], w.to.Addresses[0])
	}
	return err
}

func (w *writer) opened(ctx context.Context) error {
	if w.store != nil {
		return nil
	}
	access, err := w.to.access()
	if err == nil {
		w.store, err = w.open(ctx, access, w.to, w.run)
	}
	return err
}

func (w *writer) write(ctx context.Context) {
	every := time.NewTicker(time.Duration(max(1, w.to.EveryMilliseconds)) * time.Millisecond)
	defer every.Stop()
	last, failing := time.Now(), false
	paused := func() {
		// Making the table or the like is no pause.
		if w.report.Acknowledged == 0 {
			return
		}
		length := pause{last.UTC(), time.Since(last).Milliseconds()}
		if length.Milliseconds > w.report.LongestPause.Milliseconds {
			w.report.LongestPause = length
		}
		if time.Since(last) >= notable {
			w.report.Pauses = append(w.report.Pauses, length)
		}
	}
	for {
		number := w.report.Acknowledged + 1
		err := w.try(ctx, time.Duration(w.to.AttemptSeconds)*time.Second, func(ctx context.Context, store store) error {
			return store.put(ctx, number)
		})
		if ctx.Err() != nil {
			// An answer that came together with the signal counts all the same.
			if err == nil {
				w.report.Acknowledged = number
			}
			paused()
			return
		}
		if err == nil {
			paused()
			w.report.Acknowledged, last = number, time.Now()
			if failing || number == 1 {
				w.say("record %d acknowledged", number)
			}
			failing = false
		} else {
			w.report.Failures++
			w.remember(err)
			if !failing {
				w.say("record %d: %v", number, err)
			}
			failing = true
		}
		select {
		case <-every.C:
		case <-ctx.Done():
		}
	}
}

func (w *writer) remember(err error) {
	text := err.Error()
	if !slices.Contains(w.report.Errors, text) {
		w.report.Errors = append(w.report.Errors, text)
	}
	if len(w.report.Errors) > 5 {
		w.report.Errors = w.report.Errors[1:]
	}
}

// verify reads what was acknowledged. Only errors are tried again: what a whole answer lacks is lost.
func (w *writer) verify(ctx context.Context) {
	last := w.report.Acknowledged
	w.say("%d records acknowledged; reading them back", last)
	there := make([]bool, last+1)
	for {
		// A third of the time, so that another address can be asked if one does not answer.
		err := w.try(ctx, time.Duration(w.to.VerifySeconds)*time.Second/3, func(ctx context.Context, store store) error {
			return store.read(ctx, last, func(number int64) {
				if number >= 1 && number <= last {
					there[number] = true
				}
			})
		})
		if err == nil {
			break
		}
		w.say("reading: %v", err)
		if ctx.Err() != nil {
			w.report.Error = err.Error()
			return
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	for number := int64(1); number <= last; number++ {
		if !there[number] {
			w.report.MissingCount++
			if len(w.report.Missing) < 20 {
				w.report.Missing = append(w.report.Missing, number)
			}
		}
	}
	// Lost records are worth a look at what is there.
	if w.report.MissingCount == 0 {
		if err := w.store.clean(ctx); err != nil {
			w.say("removing the records: %v", err)
		}
	}
	w.store.close()
}

func (w *writer) say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%s %s: %s\n",
		time.Now().UTC().Format("15:04:05.000"), w.report.Service, fmt.Sprintf(format, arguments...))
}
