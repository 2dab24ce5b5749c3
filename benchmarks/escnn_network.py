"""Networks on a group in escnn, on PyTorch: the other side of `escnn_peer.py`.

It prints the seconds that building took and the number of parameters, and then, for each line it reads, the seconds of
one training step.
"""

import argparse
import time

import torch
from escnn import gspaces, nn


class Block(torch.nn.Module):
    """Batch norm, ReLU, convolution, twice, and the shortcut."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.residual = nn.SequentialModule(
            nn.InnerBatchNorm(before),
            nn.ReLU(before),
            nn.R2Conv(before, after, 3, padding=1, stride=stride, initialize=False),
            nn.InnerBatchNorm(after),
            nn.ReLU(after),
            nn.R2Conv(after, after, 3, padding=1, initialize=False),
        )
        self.shortcut = nn.R2Conv(before, after, 1, stride=stride, initialize=False) if stride > 1 else None

    def forward(self, x):
        return self.residual(x) + (x if self.shortcut is None else self.shortcut(x))


class ResNet(torch.nn.Module):
    """On p4m: a convolution, three stages of blocks, batch norm, ReLU, mean over space, scores."""

    input_shape = (3, 32, 32)

    def __init__(self, filters, blocks, classes=10):
        super().__init__()
        space = gspaces.flipRot2dOnR2(4)
        types = [nn.FieldType(space, channels * [space.regular_repr]) for channels in filters]
        self.images = nn.FieldType(space, 3 * [space.trivial_repr])
        modules = [nn.R2Conv(self.images, types[0], 3, padding=1, initialize=False)]
        before = types[0]
        for stage, after in enumerate(types):
            for block in range(blocks):
                modules.append(Block(before, after, 2 if stage > 0 and block == 0 else 1))
                before = after
        modules += [nn.InnerBatchNorm(before), nn.ReLU(before)]
        self.features = torch.nn.Sequential(*modules)
        self.scores = torch.nn.Linear(before.size, classes)

    def forward(self, x):
        return self.scores(self.features(nn.GeometricTensor(x, self.images)).tensor.mean((2, 3)))


class AnyAngle(torch.nn.Module):
    """Five convolutions, two blurred poolings, a 1x1 convolution on turns, maximum, mean over space, scores."""

    input_shape = (1, 28, 28)

    def __init__(self, filters, turns, mirrors, features=64, classes=10):
        super().__init__()
        space = gspaces.flipRot2dOnR2(turns) if mirrors else gspaces.rot2dOnR2(turns)
        self.images = before = nn.FieldType(space, [space.trivial_repr])
        modules = []
        for number, (maps, size) in enumerate(zip(filters, (7, 5, 5, 5, 5), strict=True), start=1):
            after = nn.FieldType(space, maps * [space.regular_repr])
            modules += self.convolution(before, after, size, 0 if number == 5 else size // 2)
            if number in (1, 3):
                modules.append(nn.PointwiseAvgPoolAntialiased(after, sigma=0.66, stride=2))
            before = after
        if mirrors:
            modules.append(nn.RestrictionModule(before, (None, turns)))
            before = modules[-1].out_type
            space = before.gspace
        after = nn.FieldType(space, features * [space.regular_repr])
        modules += [*self.convolution(before, after, 1, 0), nn.GroupPooling(after)]
        self.features = torch.nn.Sequential(*modules)
        self.scores = torch.nn.Linear(features, classes)

    @staticmethod
    def convolution(before, after, size, padding):
        layer = nn.R2Conv(before, after, size, padding=padding, bias=False, initialize=False)
        return layer, nn.InnerBatchNorm(after), nn.ReLU(after)

    def forward(self, x):
        return self.scores(self.features(nn.GeometricTensor(x, self.images)).tensor.mean((2, 3)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=("p4m_resnet44", "p8_cnn", "p16m_cnn"), required=True)
    parser.add_argument("--filters", type=int, nargs="+", required=True)
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    start = time.perf_counter()
    if arguments.network == "p4m_resnet44":
        network = ResNet(arguments.filters, arguments.blocks)
    else:
        network = AnyAngle(arguments.filters, *{"p8_cnn": (8, False), "p16m_cnn": (16, True)}[arguments.network])
    print(time.perf_counter() - start, flush=True)
    network.to(arguments.device)
    for module in network.modules():
        if isinstance(module, nn.R2Conv):
            torch.nn.init.normal_(module.weights, std=0.05)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    x, y = torch.randn(arguments.batch, *network.input_shape), torch.randint(10, (arguments.batch,))
    x, y = x.to(arguments.device), y.to(arguments.device)
    print(sum(parameter.numel() for parameter in network.parameters()), flush=True)
    while True:
        try:
            input()
        except EOFError:
            return
        start = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
        if arguments.device != "cpu":
            torch.cuda.synchronize()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
