package broker

import (
	"context"
	"errors"
	"testing"
)

func TestTasksAreServedInTheirOrder(t *testing.T) {
	scheduler := newScheduler()
	if _, err := scheduler.acquire(t.Context(), true); !errors.Is(err, errNoProvider) {
		t.Fatal("a task that cannot wait is told at once:", err)
	}
	one := &provider{id: "one"}
	order := make(chan int)
	for number := range 3 {
		go func() {
			given, err := scheduler.acquire(t.Context(), false)
			if err != nil {
				t.Error(err)
			}
			order <- number
			scheduler.release(given)
		}()
		// The next one comes once this one waits.
		for waiting := 0; waiting <= number; {
			_, waiting = scheduler.states()
		}
	}
	scheduler.resize(one, 1)
	for want := range 3 {
		if got := <-order; got != want {
			t.Fatalf("task %d was served as number %d", got, want)
		}
	}
}

func TestATaskThatGivesUpTakesNoWorkerAlong(t *testing.T) {
	scheduler := newScheduler()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scheduler.acquire(ctx, false); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	scheduler.resize(&provider{}, 1)
	if _, err := scheduler.acquire(t.Context(), true); err != nil {
		t.Fatal("the worker is gone:", err)
	}
}

func TestTheFreestProviderIsTakenAndADrainingOneIsNot(t *testing.T) {
	scheduler := newScheduler()
	small, large := &provider{id: "small"}, &provider{id: "large"}
	scheduler.resize(small, 1)
	scheduler.resize(large, 3)
	if given, _ := scheduler.acquire(t.Context(), true); given != large {
		t.Fatal("taken:", given.id)
	}
	scheduler.resize(large, 0)
	if given, _ := scheduler.acquire(t.Context(), true); given != small {
		t.Fatal("taken:", given.id)
	}
	if _, err := scheduler.acquire(t.Context(), true); !errors.Is(err, errNoProvider) {
		t.Fatal(err)
	}
}
