package bandwidth

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// maxMbps is 10 Tbit/s: what is more is a mistake in the unit.
const maxMbps = 10_000_000

// MaxHeadroomPercent is the most that can be kept back.
const MaxHeadroomPercent = 90

// resources are what is advertised.
var resources = [...]corev1.ResourceName{v1alpha1.ResourceNetIngress, v1alpha1.ResourceNetEgress}

// Rule is the bandwidth of the nodes that a selector matches.
type Rule struct {
	selector labels.Selector
	mbps     [len(resources)]int64
}

// ParseRule reads SELECTOR=MBPS or SELECTOR=INGRESS/EGRESS, in Mbit/s, such as
// "node.kubernetes.io/instance-type in (m7.large, m7.xlarge)=12500" or "*=1000". The last = divides.
func ParseRule(text string) (Rule, error) {
	i := strings.LastIndex(text, "=")
	if i <= 0 {
		return Rule{}, fmt.Errorf("%q: want SELECTOR=MBPS or SELECTOR=INGRESS/EGRESS", text)
	}
	r := Rule{selector: labels.Everything()}
	if selector := strings.TrimSpace(text[:i]); selector != "*" {
		var err error
		if r.selector, err = labels.Parse(selector); err != nil {
			return Rule{}, fmt.Errorf("%q: reading the selector: %w", text, err)
		}
	}
	ingress, egress, two := strings.Cut(text[i+1:], "/")
	if !two {
		egress = ingress
	}
	for i, amount := range []string{ingress, egress} {
		n, err := parseMbps(amount)
		if err != nil {
			return Rule{}, fmt.Errorf("%q: %w", text, err)
		}
		r.mbps[i] = n
	}
	return r, nil
}

func parseMbps(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > maxMbps {
		return 0, fmt.Errorf("%q is no whole number of Mbit/s from 0 to %d", text, maxMbps)
	}
	return n, nil
}

// wanted is what a node has to advertise. An annotation goes before the rules, of which the first that matches holds; a
// resource of which neither says anything is not advertised. The amounts are less the head-room, rounded down. An
// annotation that is not understood is an error, and its resource has the value that the node advertises now: a typo must
// not take bandwidth away under running pods.
func wanted(node *corev1.Node, rules []Rule, headroomPercent int) (map[corev1.ResourceName]int64, error) {
	amounts := map[corev1.ResourceName]int64{}
	var mistake error
	for i, name := range resources {
		if text, ok := node.Annotations[string(name)]; ok {
			n, err := parseMbps(text)
			if err != nil {
				mistake = fmt.Errorf("annotation %s: %w", name, err)
				if now, advertised := node.Status.Capacity[name]; advertised {
					amounts[name] = now.Value()
				}
				continue
			}
			amounts[name] = withoutHeadroom(n, headroomPercent)
			continue
		}
		for _, r := range rules {
			if r.selector.Matches(labels.Set(node.Labels)) {
				amounts[name] = withoutHeadroom(r.mbps[i], headroomPercent)
				break
			}
		}
	}
	return amounts, mistake
}

func withoutHeadroom(mbps int64, percent int) int64 { return mbps * int64(100-percent) / 100 }

// advertises reports whether the node's status says so already, in capacity and in what is allocatable.
func advertises(node *corev1.Node, amounts map[corev1.ResourceName]int64) bool {
	for _, name := range resources {
		for _, list := range []corev1.ResourceList{node.Status.Capacity, node.Status.Allocatable} {
			now, there := list[name]
			want, wanted := amounts[name]
			if there != wanted || now.Value() != want {
				return false
			}
		}
	}
	return true
}
