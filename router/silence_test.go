package router

import (
	"testing"
	"time"
)

func TestOfAPeerThatNeverAnsweredTheLogTellsOnceAndNotOfOneThatAnswersLate(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		l := new(logged)
		a, b := w.side(1, logging(l)), w.side(2)
		a.set(b) // b knows nothing of a, and answers nothing
		time.Sleep(silenceTime - 2*time.Second)
		must(t, l.take(b))
		time.Sleep(time.Minute)
		must(t, l.take(b), []string{"level=WARN msg=router.peer.unanswered", "UDP to 192.0.2.2:9338: calls ", "since="})
		b.set(a)
		within(t, 10*time.Second, "b is reached", func() bool { return a.up(b) })
		must(t, l.take(b), []string{"router.path.up"})
	})
	bubble(t, lan, func(t *testing.T, w *world) {
		l := new(logged)
		a, b := w.side(1, logging(l)), w.side(2)
		a.set(b)
		time.Sleep(3 * time.Second)
		b.set(a)
		time.Sleep(time.Minute)
		must(t, l.take(b), []string{"router.path.up"})
	})
}
