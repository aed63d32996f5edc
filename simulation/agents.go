package simulation

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/agent"
	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/probe"
	api "github.com/shoal-dev/shoal/api/agent"
)

// The agents. What one knows and says is the real code (agent.Steps); when it looks, asks and reports, and what becomes of a
// report on its way, is the model. An agent looks once a second: here it looks within a second after something has changed, which
// says the same and costs nothing while all is quiet. Nobody forges reports: certificates are not modelled.

// As the agent's flags have them.
const (
	pollEvery   = time.Second
	heartbeat   = 5 * time.Minute
	retryLast   = time.Minute
	askEvery    = time.Minute
	pushTimeout = 5 * time.Second
)

// reporter is one boot of an agent.
type reporter struct {
	w      *World
	at     copied
	set    string
	steps  agent.Steps
	boot   int    // the first of a pod is 1
	kernel string // of the run of the machine
	gone   bool   // its process has ended
	// busy: a report is under way, and again: there is news meanwhile. Only the last one can still arrive when the agent has ended.
	busy, again bool
	last        uint64
	said        api.Role      // in the last report
	retry       time.Duration // before the next try of one that did not arrive
	wait        time.Duration // before the HA system is asked again
	alarm, ring int           // which timers of both count
	failures    int           // looks in a row that failed
	held        time.Duration // how long the next report takes, where a story says so
}

// bootAgent has an agent begin, the first of a pod or another one.
func (w *World) bootAgent(c copied, set string) {
	w.ha.boots[c.pod]++
	r := &reporter{w: w, at: c, set: set, boot: w.ha.boots[c.pod], kernel: c.on.now().Kernel, said: api.RoleUnknown, retry: time.Second, wait: time.Second}
	o := agent.Options{
		Engine: station{w, c}, Manager: "manager:9722", Own: func() (mtls.Own, error) { return mtls.Own{}, nil }, Self: []string{w.addrOf(c.process)},
		Poll: pollEvery, Heartbeat: heartbeat, Failures: 3, Start: c.on.now(), Registry: prometheus.NewRegistry(),
	}
	a, err := agent.New(o)
	if err != nil {
		w.must(err)
		return
	}
	r.steps = a.Steps()
	if c.engine.agent != nil {
		c.engine.agent.gone = true
	}
	c.engine.agent = r
	r.lookSoon()
	r.reportIn(r.spread(heartbeat))
	r.askIn(0)
}

func (r *reporter) alive() bool {
	return !r.gone && !r.at.on.off && r.at.on.running[r.at.pod] == r.at.process
}

// spread lengthens a time by up to a quarter.
func (r *reporter) spread(d time.Duration) time.Duration { return d + r.w.between(0, d/4) }

func (r *reporter) lookSoon() {
	r.w.once(fmt.Sprintf("look %s %d", r.at.pod, r.boot), r.w.between(time.Millisecond, pollEvery), r.look)
}

// look looks at the engine. While it does not answer, the agent looks again: it takes three failures to say so.
func (r *reporter) look() {
	if !r.alive() {
		return
	}
	news := r.steps.Look(r.w.ctx)
	if r.failures++; r.at.up() {
		r.failures = 0
	} else if r.failures < 4 {
		r.w.after(pollEvery, "look", r.look)
	}
	if r.at.up() && time.Now().Before(r.at.engine.loading) {
		r.w.after(time.Until(r.at.engine.loading)+pollEvery, "look", r.look)
	}
	r.heed(news)
}

func (r *reporter) heed(news agent.News) {
	if news.Report {
		r.retry = time.Second
		r.push()
	}
	if news.Moved {
		r.wait = time.Second
		r.askIn(0)
	}
}

func (r *reporter) reportIn(wait time.Duration) {
	r.alarm++
	mine := r.alarm
	r.w.after(wait, "agent reports", func() {
		if r.alarm == mine && r.alive() {
			news := r.steps.Look(r.w.ctx)
			r.heed(agent.News{Moved: news.Moved})
			r.push()
		}
	})
}

// push sends a report: to whoever leads, if that can be reached.
func (r *reporter) push() {
	if !r.alive() {
		return
	}
	if r.busy {
		r.again = true
		return
	}
	report, anything := r.steps.Next()
	if !anything {
		r.reportIn(r.spread(heartbeat))
		return
	}
	report = r.tells(report)
	r.busy, r.last, r.said = true, report.Sequence, report.Role
	r.w.after(pushTimeout, "report fails", func() { r.unanswered(report) })
	to, h := r.w.operator, r.w.ha
	switch {
	case !r.at.on.reachable() || h.agentsCut:
	case to.asleep():
		r.arrive(to, report, r.w.between(time.Millisecond, 20*time.Millisecond)) // its machine has taken it
	case to.crashed || to.roles == nil:
		r.w.after(r.w.between(time.Millisecond, 20*time.Millisecond), "report fails", func() { r.unanswered(report) })
	default:
		r.send(to, report)
	}
}

// unanswered ends a try, unless it has ended: the manager is not there, or the answer takes too long, also because the manager has
// ended or fallen asleep meanwhile.
func (r *reporter) unanswered(report api.Report) {
	if report.Sequence == r.last {
		r.done(false)
	}
}

// send has a report arrive in time, late, twice or never.
func (r *reporter) send(to *operator, report api.Report) {
	late := r.w.between(time.Millisecond, 20*time.Millisecond)
	d := r.w.choice.of("reports")
	f := r.w.ha.reports
	switch {
	case r.held > 0:
		late, r.held = r.held, 0
	case f.lost > 0 && d.chance(f.lost):
		return
	case f.late > 0 && d.chance(f.late):
		late = d.between(time.Second, f.most)
	}
	r.arrive(to, report, late)
	if f.doubled > 0 && d.chance(f.doubled) {
		r.arrive(to, report, late+d.between(time.Millisecond, f.most))
	}
}

// arrive hands a report to a manager. One that sleeps takes it when it wakes; one that has ended never does.
func (r *reporter) arrive(to *operator, report api.Report, late time.Duration) {
	sent := time.Now()
	r.w.after(late, "report", func() {
		switch {
		case to.crashed || !r.alive() && report.Sequence != r.last:
		case to.asleep():
			r.arrive(to, report, time.Until(to.sleepsUntil)+r.w.between(time.Millisecond, 20*time.Millisecond))
		default:
			id := api.Identity{Namespace: r.at.name.Namespace, Pod: r.at.name.Name, UID: string(r.at.pod)}
			err := to.roles.Ledger.Accept(to.ctx, id, report)
			r.w.checker.heard(to, r, err)
			if late <= pushTimeout && time.Since(sent) <= pushTimeout && report.Sequence == r.last {
				r.done(err == nil)
			}
		}
	})
}

// done is the end of a try to report.
func (r *reporter) done(arrived bool) {
	if !r.alive() || !r.busy {
		return
	}
	r.busy = false
	switch {
	case r.again:
		r.again = false
		r.push()
	case arrived:
		r.retry = time.Second
		r.reportIn(r.spread(heartbeat))
	default:
		wait := min(r.retry, retryLast)
		r.retry = 2 * wait
		r.reportIn(r.spread(wait))
	}
}

// askIn asks the HA system who was elected, after a while.
func (r *reporter) askIn(wait time.Duration) {
	x := r.w.ha.sets[r.set]
	if x == nil || x.people {
		return
	}
	r.ring++
	mine := r.ring
	r.w.after(wait, "agent asks sentinels", func() {
		if r.ring == mine && r.alive() {
			r.ask(x)
		}
	})
}

func (r *reporter) ask(x *watchers) {
	fits := false
	if e, agreed := x.most(r.at.on, r.w.shardOf(r.at.name)); agreed {
		var news agent.News
		news, fits = r.steps.Hear(e, time.Now())
		if news.Report {
			r.retry = time.Second
			r.push()
		}
	}
	if r.wait = min(2*r.wait, askEvery); fits {
		r.wait = askEvery
	}
	r.askIn(r.spread(r.wait))
}

// order has the manager give an agent an order, and answers as the agent does; false if it cannot be reached.
func (w *World) order(instance string, request api.Request) (api.Answer, bool) {
	c, there := w.engineNamed(instance)
	if !there || !c.on.reachable() || w.ha.agentsCut {
		return api.Answer{}, false
	}
	answer, news := c.engine.agent.steps.Act(w.ctx, request)
	c.engine.agent.heed(news)
	return answer, true
}

// roll has a manager ask an agent what it is. The answer is a report beside those that the agent sends by itself.
func (w *World) roll(by *operator, pod *corev1.Pod) {
	c, there := w.engineNamed(pod.Name)
	if !there || c.pod != pod.UID || by.crashed || by.asleep() || !c.on.reachable() || w.ha.agentsCut || c.engine.agent == nil || !c.engine.agent.alive() {
		return
	}
	r := c.engine.agent
	r.heed(r.steps.Look(w.ctx))
	if report, anything := r.steps.Next(); anything {
		report = r.tells(report)
		r.said = report.Role
		r.arrive(by, report, w.between(time.Millisecond, 20*time.Millisecond))
	}
}

// most is whom most Sentinels name, as an agent on a machine hears it.
func (x *watchers) most(m *machine, shard string) (probe.Election, bool) {
	votes := map[probe.Election]int{}
	for _, s := range x.sentinels {
		if known := s.shards[shard]; known != nil && !s.silent && m.reachable() {
			e := probe.Election{Epoch: known.epoch, Master: known.master}
			if votes[e]++; votes[e] > len(x.sentinels)/2 {
				return e, true
			}
		}
	}
	return probe.Election{}, false
}
