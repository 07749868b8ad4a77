package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// queueLimit is how many tasks may wait (upstream's number).
const queueLimit = 2048

var (
	errQueueFull  = errors.New("the queue is full")
	errNoProvider = errors.New("no provider has a worker free")
)

// scheduler hands providers' free workers to tasks, in the order in which the tasks came.
type scheduler struct {
	mutex     sync.Mutex
	providers map[*provider]struct{}
	waiting   []chan *provider
}

func newScheduler() *scheduler { return &scheduler{providers: map[*provider]struct{}{}} }

// acquire takes a worker, and waits for one unless the task is to run at once or not at all.
func (scheduler *scheduler) acquire(ctx context.Context, immediate bool) (*provider, error) {
	scheduler.mutex.Lock()
	if free := scheduler.freest(); free != nil && len(scheduler.waiting) == 0 {
		free.busy++
		scheduler.mutex.Unlock()
		return free, nil
	}
	if immediate {
		scheduler.mutex.Unlock()
		return nil, errNoProvider
	}
	if len(scheduler.waiting) >= queueLimit {
		scheduler.mutex.Unlock()
		return nil, errQueueFull
	}
	turn := make(chan *provider, 1)
	scheduler.waiting = append(scheduler.waiting, turn)
	scheduler.mutex.Unlock()
	select {
	case given := <-turn:
		return given, nil
	case <-ctx.Done():
	}
	scheduler.mutex.Lock()
	scheduler.waiting = slices.DeleteFunc(scheduler.waiting, func(other chan *provider) bool { return other == turn })
	scheduler.mutex.Unlock()
	select {
	case given := <-turn:
		scheduler.release(given)
	default:
	}
	return nil, ctx.Err()
}

// freest is the provider with the most workers free, if any has one. The caller holds the lock.
func (scheduler *scheduler) freest() *provider {
	var best *provider
	for one := range scheduler.providers {
		if free := one.workers - one.busy; free > 0 && (best == nil || free > best.workers-best.busy) {
			best = one
		}
	}
	return best
}

// serve gives free workers to those who wait. The caller holds the lock.
func (scheduler *scheduler) serve() {
	for len(scheduler.waiting) > 0 {
		free := scheduler.freest()
		if free == nil {
			return
		}
		free.busy++
		scheduler.waiting[0] <- free
		scheduler.waiting = scheduler.waiting[1:]
	}
}

func (scheduler *scheduler) release(one *provider) {
	scheduler.mutex.Lock()
	defer scheduler.mutex.Unlock()
	one.busy--
	scheduler.serve()
}

// resize notes how many workers a provider has; none while it drains.
func (scheduler *scheduler) resize(one *provider, workers int) {
	scheduler.mutex.Lock()
	defer scheduler.mutex.Unlock()
	one.workers = workers
	scheduler.providers[one] = struct{}{}
	scheduler.serve()
}

func (scheduler *scheduler) remove(one *provider) {
	scheduler.mutex.Lock()
	defer scheduler.mutex.Unlock()
	one.workers = 0
	delete(scheduler.providers, one)
}

// state of a provider as others see it.
type state struct {
	ID      string    `json:"id"`
	Agent   string    `json:"agent"`
	Workers int       `json:"workers"`
	Busy    int       `json:"busy"`
	Done    int64     `json:"done"`
	Since   time.Time `json:"since"`
}

// states are those of all providers, and the number of tasks that wait.
func (scheduler *scheduler) states() ([]state, int) {
	scheduler.mutex.Lock()
	defer scheduler.mutex.Unlock()
	all := []state{}
	for one := range scheduler.providers {
		all = append(all, state{one.id, one.agent, one.workers, one.busy, one.done.Load(), one.since})
	}
	slices.SortFunc(all, func(a, b state) int { return a.Since.Compare(b.Since) })
	return all, len(scheduler.waiting)
}
