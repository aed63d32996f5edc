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
	var ports []int
	// All are held until all are found, or the same one could be picked twice.
	var held []net.Listener
	defer func() {
		for _, listener := range held {
			_ = listener.Close()
		}
	}()
	for range 100 * (n + 1) {
		if len(ports) == n {
			return ports, nil
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		held, ports = append(held, listener), append(ports, port)
	}
	return nil, errors.New("no free ports on 127.0.0.1 between " + strconv.Itoa(lowestPort) + " and " + strconv.Itoa(highestPort))
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
