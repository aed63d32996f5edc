package playground

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken below the range from which the kernel serves outgoing connections (32768 and up on Linux): a port of
// that range can be taken by one of the cluster's own connections between choosing it and listening on it.
const (
	lowestPort  = 15000
	highestPort = 32000
)

// freePorts picks n ports of loopback on which nobody listens.
func freePorts(n int) ([]int, error) {
	held, err := holdPorts(n)
	if err != nil {
		return nil, err
	}
	return portsOf(held), closeAll(held)
}

// holdPorts picks n such ports and listens on them: until they are closed nobody else can have them.
func holdPorts(n int) ([]*net.TCPListener, error) {
	var held []*net.TCPListener
	for range 100 * (n + 1) {
		if len(held) == n {
			return held, nil
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		held = append(held, listener)
	}
	_ = closeAll(held)
	return nil, errors.New("no free ports on 127.0.0.1 between " + strconv.Itoa(lowestPort) + " and " + strconv.Itoa(highestPort))
}

func portsOf(listeners []*net.TCPListener) []int {
	ports := make([]int, len(listeners))
	for i, listener := range listeners {
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}

func closeAll(listeners []*net.TCPListener) error {
	var errs []error
	for _, listener := range listeners {
		errs = append(errs, listener.Close())
	}
	return errors.Join(errs...)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
