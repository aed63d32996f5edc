// Package collectors registers the Prometheus collectors of controllers.
package collectors
