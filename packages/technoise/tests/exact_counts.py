"""Count distributions in arithmetic of many digits, written as in the textbook: the oracle of the tests."""

import mpmath as mp

DIGITS = 60


def nb_log_prob(count, log_mean, log_size):
    """Return the textbook form with a probability p; 60 digits bear its cancellation."""
    m, r = mp.exp(mp.mpf(log_mean)), mp.exp(mp.mpf(log_size))
    p = r / (r + m)
    choose = mp.loggamma(count + r) - mp.loggamma(r) - mp.loggamma(count + 1)
    return choose + r * mp.log(p) + (count * mp.log(1 - p) if count else 0)


def nb_slopes(count, log_mean, log_size):
    """Return the derivatives by both logs as central differences of the log-probability (step 1e-20, error 1e-40)."""
    lm, lr, step = mp.mpf(log_mean), mp.mpf(log_size), mp.mpf(10) ** -20
    with mp.workdps(110):
        by_mean = nb_log_prob(count, lm + step, lr) - nb_log_prob(count, lm - step, lr)
        by_size = nb_log_prob(count, lm, lr + step) - nb_log_prob(count, lm, lr - step)
    return by_mean / (2 * step), by_size / (2 * step)


def poisson_log_prob(count, log_mean):
    lm = mp.mpf(log_mean)
    return count * lm - mp.exp(lm) - mp.loggamma(count + 1)


def nb_upper_tail(count, mean, size):
    """Return P(Y >= count) as a sum of probabilities, upwards until nothing is added."""
    m, r = mp.mpf(mean), mp.mpf(size)
    term = mp.exp(nb_log_prob(count, mp.log(m), mp.log(r)))
    total, k = mp.mpf(0), mp.mpf(count)
    while term > total * mp.mpf(10) ** -30:
        total += term
        term *= m / (r + m) * (k + r) / (k + 1)
        k += 1
    return total


def nb_lower_tail(count, mean, size):
    """Return P(Y <= count) as a sum of probabilities, downwards."""
    lm, lr = mp.log(mp.mpf(mean)), mp.log(mp.mpf(size))
    return mp.fsum(mp.exp(nb_log_prob(k, lm, lr)) for k in range(count + 1))
