// Package v1 has the arguments of Shoal's scheduler plugins as users write them: the kinds DispersionArgs and
// LoadBalanceArgs of kubescheduler.config.k8s.io/v1, their defaults, and the conversion to package config.
//
// It checks nothing: package validation does, on the converted form.
//
// +kubebuilder:object:generate=true
package v1
