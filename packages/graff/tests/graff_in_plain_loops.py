"""GRAFF once more, slowly: one rate, plain loops, copies of everything, AdamW by hand.

Read it beside the page of the method; ``test_graff_agrees_with_plain_loops.py`` holds the planner to it. It shares the
network (encoder and decoder) and the clock with the planner, and nothing else.
"""

import math

import torch

from graff.encoder import HIDDEN, LinearDecoder, TrajectoryEncoder

TINY = 1e-30
WARMUP, BOUND, OUTER_TRAVEL = 0.02, 30.0, 15.0
ENCODER_PACE, PULL = 0.01, 0.1
# The planner's running statistics take this share in single precision, and the first values of a feature, which have no
# deviation yet, make that visible in the fifth digit.
SHARE = float(torch.tensor(1 - 0.98))


def lerp(start, end, weight):
    return [a + weight * (b - a) for a, b in zip(start, end, strict=True)]


def dot(left, right):
    return sum(float((a * b).sum()) for a, b in zip(left, right, strict=True))


class RunningScale:
    """The running mean of the logarithm of sizes; a size comes back in units of it, 10 at most."""

    def __init__(self):
        self.log = None

    def __call__(self, size):
        log_size = math.log(size)
        before = log_size if self.log is None else self.log
        self.log = 0.95 * before + 0.05 * log_size
        return min(10.0, math.exp(log_size - self.log))


class OuterAdam:
    """Adam for the network's weights, one at a time; with decoupled decay for the multipliers' head."""

    def __init__(self, parameters, pace_factor, decay=0.0):
        self.parameters, self.pace_factor, self.decay = list(parameters), pace_factor, decay
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self, pace):
        if all(p.grad is None for p in self.parameters):
            return
        self.steps += 1
        rate = pace * self.pace_factor
        for p, m, v in zip(self.parameters, self.first, self.second, strict=True):
            p.mul_(1 - rate * self.decay)
            m.add_(0.1 * (p.grad - m))
            v.mul_(0.999).add_(0.001 * p.grad * p.grad)
            denominator = v.sqrt() / math.sqrt(1 - 0.999**self.steps) + 1e-8
            p.sub_(rate / (1 - 0.9**self.steps) * m / denominator)


class PlainGraff:
    """The planner of one AdamW group.

    The model's layers are the blocks, in a chain. ``model`` holds y; z and x are kept here, and without averaging
    they are all the same.
    """

    def __init__(
        self, model, budget, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, averaging=True,
        block_multipliers=False, probe_share=0.02, max_grad_norm=1.0,
    ):  # fmt: skip
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        names = [n.rpartition(".")[0] for n, p in model.named_parameters() if p.requires_grad]
        blocks = list(dict.fromkeys(names))
        self.owner = [blocks.index(name) for name in names]
        self.n = len(blocks)
        self.budget, self.lr, self.eps, self.weight_decay = budget, lr, eps, weight_decay
        self.averaging, self.max_grad_norm, self.probe_share = averaging, max_grad_norm, probe_share
        self.block_multipliers = block_multipliers
        self.momentum = betas[0]  # of the averaging, which takes Adam's own over
        self.betas = (0.0, betas[1]) if averaging else betas
        self.step_number, self.base_lr = 0, lr
        # Adam
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]
        self.adam_steps = 0
        # averaging
        self.z = [p.detach().clone() for p in self.parameters]
        self.x = [p.detach().clone() for p in self.parameters]
        self.share, self.weight_sum, self.largest = 1.0, 0.0, 0.0
        self.displacement = None  # of z in the last step
        # network
        self.encoder = TrajectoryEncoder(torch.Generator().manual_seed(0))
        self.decoder = LinearDecoder(BOUND, block_head=True)
        self.edges = torch.zeros(self.n, self.n)
        for i in range(self.n):
            neighbours = [j for j in (i - 1, i + 1) if 0 <= j < self.n]
            for j in neighbours:
                self.edges[i, j] = 1 / len(neighbours)
        self.state = torch.zeros(self.n, HIDDEN)
        self.residual = None
        self.outer = [
            OuterAdam([self.decoder.weight, self.decoder.bias], 1.0),
            OuterAdam(self.encoder.parameters(), ENCODER_PACE),
            OuterAdam([self.decoder.block_weight], 1.0, PULL),
        ]
        self.rate_scale, self.block_scale = RunningScale(), RunningScale()
        self.mean, self.square, self.weight = [0.0] * 7, [0.0] * 7, [0.0] * 7
        # anchor, guard, probes
        self.log_anchor, self.seeking, self.anchor_probes = 0.0, True, 0
        self.log_bound = math.inf
        self.log_curvature, self.log_curvature_change = None, None
        self.spent_s, self.last_s, self.probes, self.shortened = 0.0, 0.0, 0, 0

    # -- A, B: features, network, rate ---------------------------------------------------------------------------

    def features(self, gradients, remaining):
        rows = []
        for block in range(self.n):
            mine = [i for i, owner in enumerate(self.owner) if owner == block]
            gradient = [gradients[i] for i in mine]
            weights = [self.parameters[i].detach() for i in mine]
            moved = [self.displacement[i] for i in mine] if self.displacement else [0 * g for g in gradient]
            g, w, d = (math.sqrt(dot(a, a)) for a in (gradient, weights, moved))
            row = [self.log_curvature, self.log_curvature_change, None, remaining]
            row.append(math.log(max(g, TINY)) if g > 0 else None)
            row.append(math.log(max(d / max(w, TINY), TINY)) if d > 0 else None)
            row.append(dot(gradient, moved) / max(g * d, TINY) if d > 0 and g > 0 else None)
            rows.append(row)
        result = torch.zeros(self.n, 7, dtype=torch.float64)
        for k in range(7):
            known = [row[k] for row in rows if row[k] is not None]
            if known:
                self.mean[k] += SHARE * (sum(known) / len(known) - self.mean[k])
                self.square[k] += SHARE * (sum(a * a for a in known) / len(known) - self.square[k])
                self.weight[k] += SHARE * (1 - self.weight[k])
            seen = max(self.weight[k], 1 - 0.98)
            mean = self.mean[k] / seen
            deviation = math.sqrt(max(0.0, self.square[k] / seen - mean * mean))
            for i, row in enumerate(rows):
                if row[k] is not None:
                    standard = (row[k] - mean) / max(deviation, 1e-6 + 1e-3 * abs(mean))
                    result[i, k] = max(-3.0, min(3.0, standard))
            if k == 3:
                result[:, k] = 2 * remaining - 1
        return result.float()

    def decode(self):
        self.residual = self.decoder(self.state)
        self.log_s = self.decoder.log_multipliers(self.state) if self.block_multipliers else None

    @torch.no_grad()
    def project(self, log_bound):
        limit = math.log(BOUND)
        if log_bound >= limit:
            return
        h = self.state.detach().mean(0) / (3 * HIDDEN)
        inside = max(-0.999, min(0.999, log_bound / limit))
        excess = float(self.decoder.weight @ h + self.decoder.bias) - limit * math.atanh(inside)
        if excess > 0:
            scale = excess / (float(h @ h) + 1)
            self.decoder.weight.sub_(scale * h)
            self.decoder.bias.sub_(scale)
            with torch.enable_grad():
                self.decode()

    # -- C: learning ---------------------------------------------------------------------------------------------

    def follows(self):
        return 1 - self.momentum * (1 - self.share) if self.averaging else 1.0

    def learn(self, gradients, reading):
        by_block = [0.0] * self.n
        for i, owner in enumerate(self.owner):
            by_block[owner] -= self.follows() * dot([gradients[i]], [self.displacement[i]])
        regret_weight = (1 - 0.98) / reading.elapsed_s
        gradient = sum(by_block) * regret_weight
        if gradient == 0:
            return
        expected = reading.steps / reading.elapsed_s * (reading.total_s - reading.reserve_s)
        pace = min(0.3, OUTER_TRAVEL / max(1.0, expected))
        objective = self.residual * math.copysign(self.rate_scale(abs(gradient)), gradient)
        if self.block_multipliers:
            per_block = [b * regret_weight for b in by_block]
            norm = math.sqrt(sum(b * b for b in per_block))
            size = self.block_scale(norm)
            objective = objective + sum(s * b * size / norm for s, b in zip(self.log_s, per_block, strict=True))
        for p in [*self.decoder.parameters(), *self.encoder.parameters()]:
            p.grad = None
        objective.backward()
        for adam in self.outer:
            adam.step(pace)

    # -- one step ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def step(self, loss, probe=None):
        """Make a step with the gradients that the model holds; return the rate."""
        reading = self.budget.agree()
        gradients = [p.grad.clone() for p in self.parameters]
        norm = math.sqrt(dot(gradients, gradients))
        done = 1 - reading.training_fraction_remaining
        prior = min(1.0, done / WARMUP)
        if not self.averaging:
            prior *= min(1.0, (1 - done) / (1 - WARMUP))

        with torch.enable_grad():
            if self.displacement is not None:
                self.learn(gradients, reading)
            features = self.features(gradients, reading.training_fraction_remaining)
            self.state = self.encoder(features, self.edges, self.state.detach())
            self.decode()
        residual = float(self.residual)
        prior *= math.exp(self.log_anchor)
        self.log_bound += math.log(3) / 10
        if prior > 0 and math.log(prior) + residual > self.log_bound:
            residual = self.log_bound - math.log(prior)
            self.project(residual)
        factor = prior * math.exp(residual)
        rate = self.base_lr * factor

        if norm > self.max_grad_norm:
            gradients = [g * self.max_grad_norm / (norm + 1e-6) for g in gradients]
        probed = probe is not None and self.wants_probe(reading, done - WARMUP)
        y_before = [p.clone() for p in self.parameters]
        z_before, x_before = self.z, self.x
        self.displacement = self.adamw(gradients, rate)
        self.move(z_before, x_before, factor)
        if probed:
            rate = self.probe(probe, loss, norm, gradients, factor, residual, y_before, z_before, x_before)
        self.step_number += 1
        self.budget.tick()
        return rate

    def adamw(self, gradients, rate):
        """Return by how much z falls: the step, multipliers and decoupled decay included."""
        self.adam_steps += 1
        b1, b2 = self.betas
        result = []
        for i, g in enumerate(gradients):
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g * g
            m_hat = self.m[i] / (1 - b1**self.adam_steps)
            s = math.exp(float(self.log_s[self.owner[i]])) if self.block_multipliers else 1.0
            result.append(s * rate * (m_hat / self.preconditioner(i) + self.weight_decay * self.z[i]))
        return result

    def preconditioner(self, i):
        return (self.v[i] / (1 - self.betas[1] ** self.adam_steps)).sqrt() + self.eps

    def move(self, z_before, x_before, factor=None):
        """Set z, x and y after the displacement; a new factor counts in the average."""
        self.z = [z - d for z, d in zip(z_before, self.displacement, strict=True)]
        if not self.averaging:
            y = self.z
        else:
            if factor is not None:
                self.largest = max(self.largest, factor)
                self.weight_sum += self.largest**2
                self.share = self.largest**2 / self.weight_sum
            self.x = lerp(x_before, self.z, self.share)
            y = lerp(self.z, self.x, self.momentum)
        for p, value in zip(self.parameters, y, strict=True):
            p.copy_(value)

    # -- D: anchor, guard, probes --------------------------------------------------------------------------------

    def wants_probe(self, reading, done):
        expected_s = self.last_s if self.probes else 0.5 * reading.step_s
        affordable = self.step_number >= 4 and self.spent_s + expected_s <= self.probe_share * reading.elapsed_s
        seeking = False
        if done >= 0:
            if done > 0.1 or self.anchor_probes >= 12:
                self.seeking = False
            seeking = self.seeking and self.step_number >= 2
        return affordable or (seeking and self.spent_s + self.last_s <= self.probe_share * reading.total_s)

    def probe(self, probe, loss, norm, gradients, factor, residual, y_before, z_before, x_before):
        """Measure the step that was made, shorten it if it is too long; return the rate that it has then."""
        began = self.budget.clock()
        y_after = [p.clone() for p in self.parameters]
        moved = [a - b for a, b in zip(y_before, y_after, strict=True)]
        gain = max(1.0, norm / self.max_grad_norm) * dot(gradients, moved)
        reach = min(10.0, max(1 / 3, 0.03 * loss / gain)) if gain > 0 and loss > 0 else 1.0

        def loss_at(steps):
            for p, y, d in zip(self.parameters, y_before, moved, strict=True):
                p.copy_(y - steps * d)
            return float(probe())

        here, ahead, behind = loss_at(0.0), loss_at(reach), loss_at(-reach)
        for p, y in zip(self.parameters, y_after, strict=True):
            p.copy_(y)
        curvature = (ahead - 2 * here + behind) / reach**2
        rate = self.base_lr * factor
        rho, allowed = None, math.inf
        if curvature > 0:
            weighted = sum(float((d * d * self.preconditioner(i)).sum()) for i, d in enumerate(moved)) / rate
            edge = 2 * (1 + self.betas[0]) / (1 - self.betas[0]) * 0.95 / self.follows()
            allowed = edge / (curvature / weighted)
            if gain > 0:
                rho = curvature / gain
                allowed = min(allowed, (4.0 if self.averaging else 1.0) / rho)
            now = math.log(curvature / dot(moved, moved))
            self.log_curvature_change = None if self.log_curvature is None else now - self.log_curvature
            self.log_curvature = now
        allowed = max(allowed, 1 / 3)
        self.log_bound = math.log(factor * allowed) if allowed < math.inf else math.inf
        if allowed < 1:
            self.shortened += 1
            rate *= allowed
            self.displacement = [allowed * d for d in self.displacement]
            self.move(z_before, x_before)
            self.project(residual + math.log(allowed))
        if self.seeking:
            self.anchor_probes += 1
            too_small = rho is not None and 0.5 / rho >= 3
            if gain > 0 and (curvature <= 0 or too_small):
                self.log_anchor += math.log(3)
                self.log_bound = math.inf
            else:
                self.seeking = rho is not None and 0.5 / rho <= 1 / 9
        self.last_s = self.budget.clock() - began
        self.spent_s += self.last_s
        self.probes += 1
        return rate
